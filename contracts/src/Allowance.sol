// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {IAllowance} from "./interfaces/IAllowance.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";

/// @title Allowance
/// @notice See IAllowance. It answers no ERC-1271: vouchers are signed by session keys alone.
contract Allowance is IAllowance, ReentrancyGuardTransient {
    using EnumerableSet for EnumerableSet.AddressSet;
    using SafeCast for uint256;

    /// @inheritdoc IAllowance
    uint256 public constant MAX_GATEWAYS = 64;

    /// @inheritdoc IAllowance
    ISettlement public immutable settlement;
    /// @inheritdoc IAllowance
    address public immutable governance;

    mapping(address gateway => Budget) private _budgets;
    /// @dev Grown by governance alone, and bounded: `outstanding` walks through it.
    EnumerableSet.AddressSet private _gateways;

    modifier onlyTimelock() {
        require(msg.sender == governance, NotGovernance(msg.sender));
        _;
    }

    constructor(ISettlement settlement_, address governance_) {
        require(governance_ != address(0), NotGovernance(governance_));
        settlement = settlement_;
        governance = governance_;
    }

    /// @notice The treasury, or whoever wants to give, adds to the fund. Settlement's withdrawals arrive here too.
    receive() external payable {
        if (msg.sender != address(settlement)) emit Funded(msg.sender, msg.value);
    }

    // ---------------------------------------------------------------- governance

    /// @inheritdoc IAllowance
    function setBudget(address gateway, address sessionKey, uint128 perPeriod, uint64 period) external onlyTimelock {
        require(
            gateway != address(0) && sessionKey != address(0) && perPeriod != 0 && period != 0 && period <= 1 << 40,
            InvalidBudget()
        );
        _gateways.add(gateway);
        require(_gateways.length() <= MAX_GATEWAYS, TooManyGateways(MAX_GATEWAYS));
        Budget storage budget = _budgets[gateway];
        address previous = budget.sessionKey;
        _budgets[gateway] = Budget(sessionKey, perPeriod, 0, period, uint64(block.timestamp));
        emit BudgetSet(gateway, sessionKey, perPeriod, period);
        _moveLimit(gateway, previous, sessionKey);
    }

    /// @inheritdoc IAllowance
    function revoke(address gateway) external onlyTimelock {
        Budget storage budget = _budgets[gateway];
        require(budget.perPeriod != 0, NoBudget(gateway));
        budget.perPeriod = 0;
        emit Revoked(gateway);
        settlement.setLimit(gateway, budget.sessionKey, 0);
    }

    /// @inheritdoc IAllowance
    function defund(uint256 amount) external onlyTimelock nonReentrant {
        require(amount != 0, NothingToDo());
        _return(amount);
    }

    // ---------------------------------------------------------------- gateways

    /// @inheritdoc IAllowance
    function setSessionKey(address sessionKey) external {
        Budget storage budget = _budgets[msg.sender];
        require(budget.perPeriod != 0, NoBudget(msg.sender));
        address previous = budget.sessionKey;
        require(sessionKey != address(0) && sessionKey != previous, NothingToDo());
        budget.sessionKey = sessionKey;
        _moveLimit(msg.sender, previous, sessionKey);
    }

    /// @dev Totals are cumulative per gateway, whichever key signs: two keys with one cap can spend no more than one.
    function _moveLimit(address gateway, address previous, address next) private {
        if (previous == next || previous == address(0)) return;
        uint128 cap = settlement.limitOf(address(this), gateway, previous).cap;
        emit SessionKeySet(gateway, next, previous);
        settlement.setLimit(gateway, next, cap);
        settlement.setLimit(gateway, previous, 0);
    }

    // ---------------------------------------------------------------- anybody

    /// @inheritdoc IAllowance
    function refill(address gateway) external nonReentrant returns (uint128 amount) {
        Budget storage budget = _budgets[gateway];
        require(budget.perPeriod != 0, NoBudget(gateway));
        uint128 base;
        uint64 since;
        uint128 granted;
        (amount, base, granted, since) = _refillable(gateway, budget);
        require(amount != 0, NothingToDo());
        (budget.granted, budget.since) = (granted + amount, since);
        uint128 cap = base + amount;
        emit Refilled(gateway, amount, cap);
        settlement.depositFor{value: amount}(address(this));
        settlement.setLimit(gateway, budget.sessionKey, cap);
    }

    /// @inheritdoc IAllowance
    function forget(address gateway) external {
        Budget storage budget = _budgets[gateway];
        require(budget.sessionKey != address(0), NoBudget(gateway));
        uint128 left = _outstanding(gateway, budget);
        require(budget.perPeriod == 0 && left == 0, StillSpending(gateway, left));
        delete _budgets[gateway];
        _gateways.remove(gateway);
        emit Forgotten(gateway);
    }

    /// @inheritdoc IAllowance
    function reclaim() external returns (uint128 amount) {
        // A second request would start the notice anew: anybody could keep the treasury waiting.
        (uint128 waiting, uint64 availableAt) = settlement.withdrawalOf(address(this));
        require(waiting == 0, ReclaimRunning(waiting, availableAt));
        uint256 free = Math.saturatingSub(settlement.depositOf(address(this)), outstanding());
        require(free != 0, NothingToDo());
        amount = free.toUint128();
        emit Reclaimed(amount, uint64(block.timestamp) + settlement.noticeSeconds());
        settlement.requestWithdrawal(amount);
    }

    /// @inheritdoc IAllowance
    function collect() external nonReentrant returns (uint256 amount) {
        uint256 before = address(this).balance;
        settlement.withdraw();
        amount = address(this).balance - before;
        _return(amount);
    }

    function _return(uint256 amount) private {
        emit Returned(amount);
        (bool sent,) = governance.call{value: amount}("");
        require(sent, TransferRefused(amount));
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IAllowance
    function budgetOf(address gateway) external view returns (Budget memory) {
        return _budgets[gateway];
    }

    /// @inheritdoc IAllowance
    function gateways() external view returns (address[] memory) {
        return _gateways.values();
    }

    /// @inheritdoc IAllowance
    function refillable(address gateway) external view returns (uint128 amount) {
        (amount,,,) = _refillable(gateway, _budgets[gateway]);
    }

    /// @inheritdoc IAllowance
    function outstandingOf(address gateway) external view returns (uint128) {
        return _outstanding(gateway, _budgets[gateway]);
    }

    /// @inheritdoc IAllowance
    function outstanding() public view returns (uint256 sum) {
        uint256 count = _gateways.length();
        for (uint256 i; i < count; ++i) {
            address gateway = _gateways.at(i);
            sum += _outstanding(gateway, _budgets[gateway]);
        }
    }

    /// @dev The cap is read where it counts, in Settlement. Once a key's cap is below what was spent (a revoked one), new
    /// grants count from what was spent.
    function _refillable(address gateway, Budget storage budget)
        private
        view
        returns (uint128 amount, uint128 base, uint128 granted, uint64 since)
    {
        (granted, since) = (budget.granted, budget.since);
        uint64 period = budget.period;
        if (period != 0 && block.timestamp - since >= period) {
            // Periods that nobody refilled in are lost; rounded down to the start of the running one.
            since += (uint64(block.timestamp) - since) / period * period;
            granted = 0;
        }
        uint128 spent = settlement.spent(address(this), gateway);
        uint128 cap = settlement.limitOf(address(this), gateway, budget.sessionKey).cap;
        base = cap > spent ? cap : spent;
        uint256 most = budget.perPeriod;
        uint256 open = Math.min(Math.saturatingSub(most, granted), Math.saturatingSub(most, base - spent));
        amount = uint128(Math.min(open, address(this).balance)); // at most a uint128 budget
    }

    function _outstanding(address gateway, Budget storage budget) private view returns (uint128) {
        uint128 cap = settlement.limitOf(address(this), gateway, budget.sessionKey).cap;
        uint128 spent = settlement.spent(address(this), gateway);
        return cap > spent ? cap - spent : 0;
    }
}
