//! `fonte chain deploy|validators|stake|unstake|claim|register|enlist|resign|elect|concentration`.

use eyre::Result;

use crate::{
    args::{Common, chain::Chain},
    candidacy, concentration, deploy, validators,
};

pub(crate) async fn run(common: &Common, command: Chain) -> Result<()> {
    match command {
        Chain::Deploy(options) => deploy::run(common, options).await,
        Chain::Validators => validators::list(common).await,
        Chain::Stake { amount, on } => validators::stake(common, &amount, on).await,
        Chain::Unstake { amount, from } => validators::unstake(common, &amount, from).await,
        Chain::Claim { from } => validators::claim(common, from).await,
        Chain::Register { amount, keys, address } => candidacy::register(common, amount, &keys, address).await,
        Chain::Enlist => candidacy::enlist(common).await,
        Chain::Resign => candidacy::resign(common).await,
        Chain::Elect => validators::elect(common).await,
        Chain::Concentration => concentration::show(common).await,
    }
}
