//! Rust bindings of the protocol's contracts, the addresses at which a Fonte chain has them from genesis, and a typed
//! client that reads and sends over JSON-RPC.
//!
//! A request passes through here whenever anything off chain needs the chain: the worker reads which contributions a
//! version holds, the gateway settles and pushes, the command line creates, deposits and challenges. The contracts are
//! those in `contracts/artifacts`, which CI proves to be what the sources build.
//!
//! This crate decides nothing: rules live in the contracts and in the crates that call it.
//!
//! ```
//! use fonte_bindings::{addresses, genesis::{Parameters, predeploys}};
//!
//! let predeploys = predeploys(&Parameters::development(36683));
//! assert_eq!(predeploys.last().map(|p| p.address), Some(addresses::CHALLENGES));
//! ```

pub mod abi;
pub mod addresses;
pub mod client;
pub mod convert;
pub mod genesis;

pub use addresses::Addresses;
pub use client::{Client, ClientError, ContributionRecord, DatanetRecord, ModelRecord};

/// The contracts, as the compiler described them.
#[allow(missing_docs, clippy::too_many_arguments, clippy::all, reason = "generated from the ABI")]
pub mod contracts {
    alloy_sol_types::sol!(
        #[sol(rpc)]
        #[derive(Debug)]
        FonteToken,
        "../../contracts/artifacts/FonteToken.json"
    );
    alloy_sol_types::sol!(
        #[sol(rpc)]
        #[derive(Debug)]
        Datanets,
        "../../contracts/artifacts/Datanets.json"
    );
    /// In a module of its own: it shares type names with `Datanets`.
    pub mod models {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Models,
            "../../contracts/artifacts/Models.json"
        );
    }
    /// In a module of its own: it shares type names with `Datanets`.
    pub mod settlement {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Settlement,
            "../../contracts/artifacts/Settlement.json"
        );
    }
    /// In a module of its own: it shares type names with `Settlement`.
    pub mod challenges {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Challenges,
            "../../contracts/artifacts/Challenges.json"
        );
    }
    pub use challenges::Challenges;
    pub use models::Models;
    pub use settlement::Settlement;
}
