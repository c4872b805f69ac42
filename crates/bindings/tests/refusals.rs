//! Why a model takes no new requests, against the contract's own words.

use fonte_bindings::{
    client::{ModelRefusal, RefusalReason},
    convert::refusal,
};
use fonte_types::DatanetId;

/// The ABI says of an enum no more than its name, so its places are counted where it is declared.
#[test]
fn reasons_have_the_places_of_the_contracts_enum() {
    let artifact = include_str!("../../../contracts/artifacts/Models.json");
    assert!(artifact.contains("\"enum IModels.Reason\""), "`servable` answers with this enum");
    let declared = include_str!("../../../contracts/src/interfaces/IModels.sol");
    let (_, rest) = declared.split_once("enum Reason {").expect("the enum");
    let (members, _) = rest.split_once("    }").expect("its end");
    let members: Vec<&str> = members
        .lines()
        .filter_map(|line| line.split("//").next())
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|member| !member.is_empty())
        .collect();
    assert_eq!(members[..2], ["None", "Unknown"], "what no model on record is refused for");
    for (place, member) in (2..).zip(&members[2..]) {
        let read = refusal(place, 7);
        assert_eq!(&format!("{:?}", read.reason), member, "place {place}");
        assert_eq!(read.datanet, Some(DatanetId(7)));
    }
    for place in [0, 1, members.len() as u8, u8::MAX] {
        let other = ModelRefusal { reason: RefusalReason::Other, datanet: None };
        assert_eq!(refusal(place, 0), other, "place {place}");
    }
}
