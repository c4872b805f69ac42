// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOrigins} from "../interfaces/IOrigins.sol";

/// @title CanonicalUrl
/// @notice The canonical form of an origin (docs/spec/datanets.md, section 4): `https://host[:port]/[segment/]*`. It is
/// checked here, not made: two spellings of one origin would be two vaults.
library CanonicalUrl {
    uint256 internal constant MAX_LENGTH = 256;

    /// @dev Characters that stand in a path as they are, by code: unreserved, sub-delims, ":" and "@" (RFC 3986, 3.3).
    uint256 private constant PATH = 0x47fffffe87ffffff2fff7fd200000000;

    function check(bytes calldata url) internal pure {
        uint256 length = url.length;
        require(length <= MAX_LENGTH, IOrigins.NotCanonical(MAX_LENGTH));
        require(length > 8 && bytes8(url[:8]) == "https://", IOrigins.NotCanonical(0));
        uint256 place = _host(url, 8);
        if (_at(url, place) == ":") place = _port(url, place + 1);
        _path(url, place);
    }

    /// @dev Two labels at least, of lower-case letters, digits and inner hyphens; the last begins with a letter, so that no
    /// IPv4 address passes. Returns where the host ends.
    function _host(bytes calldata url, uint256 start) private pure returns (uint256 place) {
        uint256 label = start;
        uint256 dots;
        for (place = start;; ++place) {
            bytes1 c = _at(url, place);
            if (_isLower(c) || _isDigit(c)) continue;
            bool edge = place == label;
            if (c == "-" && !edge) continue;
            require(!edge && url[place - 1] != "-" && place - label <= 63, IOrigins.NotCanonical(place));
            if (c != ".") break;
            label = place + 1;
            ++dots;
        }
        require(dots != 0 && _isLower(url[label]), IOrigins.NotCanonical(place));
    }

    /// @dev 1 to 65,535 without leading zeros, and not https's own. Returns where it ends.
    function _port(bytes calldata url, uint256 start) private pure returns (uint256 place) {
        uint256 port;
        for (place = start; place < start + 5 && _isDigit(_at(url, place)); ++place) {
            port = port * 10 + uint8(url[place]) - 48;
        }
        require(place != start && url[start] != "0" && port <= 65_535 && port != 443, IOrigins.NotCanonical(start));
    }

    /// @dev Segments that end in "/", none of them empty, "." or "..". What may stand as it is must not be escaped.
    function _path(bytes calldata url, uint256 start) private pure {
        require(_at(url, start) == "/", IOrigins.NotCanonical(start));
        uint256 length = url.length;
        require(url[length - 1] == "/", IOrigins.NotCanonical(length));
        uint256 segment = start + 1;
        for (uint256 place = segment; place < length; ++place) {
            bytes1 c = url[place];
            if (c == "/") {
                uint256 size = place - segment;
                require(
                    size != 0 && !(url[segment] == "." && (size == 1 || (size == 2 && url[place - 1] == "."))),
                    IOrigins.NotCanonical(place)
                );
                segment = place + 1;
            } else if (c == "%") {
                uint256 code = _hex(url, place + 1);
                code = code << 4 | _hex(url, place + 2);
                require(!_isUnreserved(code), IOrigins.NotCanonical(place));
                place += 2;
            } else {
                require(PATH >> uint8(c) & 1 == 1, IOrigins.NotCanonical(place));
            }
        }
    }

    function _hex(bytes calldata url, uint256 place) private pure returns (uint256) {
        bytes1 c = _at(url, place);
        if (_isDigit(c)) return uint8(c) - 48;
        require(c >= "A" && c <= "F", IOrigins.NotCanonical(place));
        return uint8(c) - 55;
    }

    function _isUnreserved(uint256 code) private pure returns (bool) {
        bytes1 c = bytes1(uint8(code));
        return _isLower(c) || _isDigit(c) || (c >= "A" && c <= "Z") || c == "-" || c == "." || c == "_" || c == "~";
    }

    function _isLower(bytes1 c) private pure returns (bool) {
        return c >= "a" && c <= "z";
    }

    function _isDigit(bytes1 c) private pure returns (bool) {
        return c >= "0" && c <= "9";
    }

    /// @dev Zero past the end, which no rule accepts.
    function _at(bytes calldata url, uint256 place) private pure returns (bytes1) {
        return place < url.length ? url[place] : bytes1(0);
    }
}
