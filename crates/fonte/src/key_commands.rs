//! `fonte keys new|import|list|show`.

use eyre::{Result, WrapErr, eyre};
use serde_json::json;

use crate::{
    args::{Common, Keys},
    context::data_dir,
    keys,
    say::say,
};

pub(crate) fn run(common: &Common, command: Keys) -> Result<()> {
    let data_dir = data_dir(common)?;
    match command {
        Keys::New { name } => {
            let signer = keys::create(&data_dir, &name, &new_password()?)?;
            print_key(common.json, &name, signer.address());
        }
        Keys::Import { name } => {
            let secret = match std::env::var("FONTE_SECRET") {
                Ok(secret) => secret,
                Err(_) => rpassword::prompt_password(say!("Private key: ", "Chave privada: "))
                    .wrap_err_with(|| say!("no secret: set FONTE_SECRET", "sem chave: defina FONTE_SECRET"))?,
            };
            let secret = secret.trim().parse().map_err(|_| {
                eyre!(say!(
                    "a private key is 0x and 64 hexadecimal digits",
                    "uma chave privada é 0x e 64 dígitos hexadecimais"
                ))
            })?;
            let signer = keys::store(&data_dir, &name, &secret, &new_password()?)?;
            print_key(common.json, &name, signer.address());
        }
        Keys::List => {
            let listed = keys::list(&data_dir)?;
            if common.json {
                let rows: Vec<_> =
                    listed.iter().map(|(name, address)| json!({"name": name, "address": address})).collect();
                println!("{}", serde_json::to_string_pretty(&rows)?);
            } else {
                for (name, address) in listed {
                    println!("{name:<20} {}", address.map_or_else(|| "?".into(), |address| address.to_string()));
                }
            }
        }
        Keys::Show { name } => {
            let found = keys::list(&data_dir)?.into_iter().find(|(known, _)| *known == name);
            let address = found.and_then(|(_, address)| address).ok_or_else(|| {
                eyre!(say!(
                    "there is no key named {name}: see `fonte keys list`",
                    "não há chave chamada {name}: veja `fonte keys list`"
                ))
            })?;
            print_key(common.json, &name, address);
        }
    }
    Ok(())
}

/// Asked for twice, unless it comes from the environment.
fn new_password() -> Result<String> {
    let first = keys::password()?;
    if std::env::var_os("FONTE_PASSWORD").is_none() {
        let again = rpassword::prompt_password(say!("Again: ", "De novo: ")).wrap_err("reading the password again")?;
        if again != first {
            return Err(eyre!(say!("the two passwords differ", "as duas senhas diferem")));
        }
    }
    Ok(first)
}

fn print_key(json: bool, name: &str, address: alloy_primitives::Address) {
    if json {
        println!("{}", json!({"name": name, "address": address}));
    } else {
        println!("{name} {address}");
    }
}
