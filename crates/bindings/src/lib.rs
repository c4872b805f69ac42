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

pub mod client;
pub mod convert;
pub mod genesis;

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
    /// In a module of its own: every registry has a `Registered` event.
    pub mod workers {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Workers,
            "../../contracts/artifacts/Workers.json"
        );
    }
    pub use challenges::Challenges;
    pub use models::Models;
    pub use settlement::Settlement;
    pub use workers::Workers;
}

/// Where a Fonte chain has the contracts from genesis on.
pub mod addresses {
    use alloy_primitives::{Address, address};

    /// The wrapped coin.
    pub const FONTE_TOKEN: Address = address!("f017e00000000000000000000000000000000001");
    /// Datanets and contributions.
    pub const DATANETS: Address = address!("f017e00000000000000000000000000000000002");
    /// Models and their terms.
    pub const MODELS: Address = address!("f017e00000000000000000000000000000000003");
    /// Deposits, batches, payouts, bonds.
    pub const SETTLEMENT: Address = address!("f017e00000000000000000000000000000000004");
    /// Judges challenges; the only one that `Settlement` lets move credits.
    pub const CHALLENGES: Address = address!("f017e00000000000000000000000000000000005");
    /// Registered workers and their stakes.
    pub const WORKERS: Address = address!("f017e00000000000000000000000000000000008");
}
