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
//! use fonte_bindings::{Addresses, genesis::{Parameters, predeploys}};
//!
//! let predeploys = predeploys(&Parameters::development(36683));
//! assert_eq!(predeploys.first().map(|p| p.address), Some(Addresses::predeployed().token));
//! ```

pub mod abi;
pub mod addresses;
mod catalogue;
pub mod client;
pub mod convert;
pub mod evidence;
pub mod genesis;
pub mod parameters;
pub mod rows;
mod transport;

pub use addresses::Addresses;
pub use catalogue::{Catalogue, Contributions};
pub use client::{Client, ClientError, ContributionRecord, DatanetRecord, ModelRecord};
pub use rows::{RowsError, SettledBatch, SettledRow};

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
    /// In a module of its own: it shares type names with others.
    pub mod challenges {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Challenges,
            "../../contracts/artifacts/Challenges.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod reviews {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Reviews,
            "../../contracts/artifacts/Reviews.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod origins {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Origins,
            "../../contracts/artifacts/Origins.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod workers {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Workers,
            "../../contracts/artifacts/Workers.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod validators {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Validators,
            "../../contracts/artifacts/Validators.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod timelock {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Timelock,
            "../../contracts/artifacts/Timelock.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod governor {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            FonteGovernor,
            "../../contracts/artifacts/FonteGovernor.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod allowance {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Allowance,
            "../../contracts/artifacts/Allowance.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod concentration {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Concentration,
            "../../contracts/artifacts/Concentration.json"
        );
    }
    /// In a module of its own: it shares type names with others.
    pub mod model_reviews {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            ModelReviews,
            "../../contracts/artifacts/ModelReviews.json"
        );
    }
    /// In a module of its own: it shares type names with `Origins`.
    pub mod splitter {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Splitter,
            "../../contracts/artifacts/Splitter.json"
        );
    }
    /// In a module of its own: it shares type names with `Challenges`.
    pub mod demands {
        alloy_sol_types::sol!(
            #[sol(rpc)]
            #[derive(Debug)]
            Demands,
            "../../contracts/artifacts/Demands.json"
        );
    }
    pub use allowance::Allowance;
    pub use challenges::Challenges;
    pub use concentration::Concentration;
    pub use demands::Demands;
    pub use governor::FonteGovernor;
    pub use model_reviews::ModelReviews;
    pub use models::Models;
    pub use origins::Origins;
    pub use reviews::Reviews;
    pub use settlement::Settlement;
    pub use splitter::Splitter;
    pub use timelock::Timelock;
    pub use validators::Validators;
    pub use workers::Workers;
}
