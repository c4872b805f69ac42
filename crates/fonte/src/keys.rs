//! Keys: encrypted keystores (version 3) on disk, and the public development keys.

use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use eyre::{Result, WrapErr, bail, eyre};
use fonte_bindings::genesis::Parameters;
use fonte_types::Network;

use crate::say::say;

/// Names of the development keys: derived from public strings, funded on development networks, worthless elsewhere.
pub(crate) const DEVELOPMENT: [&str; 6] = ["operator", "gateway", "worker", "payer", "author", "liar"];

/// A public development key.
pub(crate) fn development(name: &str) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(format!("fonte development key: {name}")))
        .expect("a hash is a valid key but for odds of one in 2^128")
}

/// Refuses a development key on a network that is not a development network.
pub(crate) fn refuse_development(address: Address, network: &Network) -> Result<()> {
    let development_network = Parameters::development(network.chain_id).network_id == network.network_id;
    if !development_network && DEVELOPMENT.iter().any(|name| development(name).address() == address) {
        bail!(say!(
            "{address} is a public development key: anyone can sign with it; make one with `fonte keys new NAME`",
            "{address} é uma chave pública de desenvolvimento: qualquer um assina com ela; crie outra com `fonte keys new NOME`"
        ));
    }
    Ok(())
}

/// The folder of the keystores.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("keys")
}

/// Makes a new key and stores it encrypted.
pub(crate) fn create(data_dir: &Path, name: &str, password: &str) -> Result<PrivateKeySigner> {
    store(data_dir, name, &PrivateKeySigner::random().to_bytes(), password)
}

/// Stores a given key encrypted.
pub(crate) fn store(data_dir: &Path, name: &str, secret: &B256, password: &str) -> Result<PrivateKeySigner> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        bail!(say!(
            "{name:?} is no name for a key: use letters, digits, - and _",
            "{name:?} não serve de nome: use letras, dígitos, - e _"
        ));
    }
    let folder = folder(data_dir);
    std::fs::create_dir_all(&folder).wrap_err_with(|| format!("creating {}", folder.display()))?;
    let path = folder.join(format!("{name}.json"));
    if path.exists() {
        bail!(say!(
            "there is a key named {name} already: choose another name",
            "já existe uma chave chamada {name}: escolha outro nome"
        ));
    }
    // Written beside and renamed: a kill never leaves half a keystore under the name.
    let unfinished = format!(".{name}.{}", std::process::id());
    let (signer, _) =
        PrivateKeySigner::encrypt_keystore(&folder, &mut rand_08::thread_rng(), secret, password, Some(&unfinished))
            .wrap_err("encrypting the key")?;
    name_address(&folder.join(&unfinished), signer.address())?;
    std::fs::rename(folder.join(&unfinished), &path).wrap_err_with(|| format!("writing {}", path.display()))?;
    Ok(signer)
}

/// Names and addresses of the stored keys; the address stands in the keystore in plain.
pub(crate) fn list(data_dir: &Path) -> Result<Vec<(String, Option<Address>)>> {
    let mut keys = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder(data_dir)) else { return Ok(keys) };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if path.extension().is_some_and(|extension| extension == "json") {
            keys.push((name.to_owned(), address_of(&path)));
        }
    }
    keys.sort();
    Ok(keys)
}

/// Puts the address into the keystore, as other wallets do, so that keys can be listed without their passwords.
fn name_address(path: &Path, address: Address) -> Result<()> {
    let mut keystore: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
    keystore["address"] = hex::encode(address).into();
    std::fs::write(path, keystore.to_string()).wrap_err_with(|| format!("writing {}", path.display()))?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

fn address_of(path: &Path) -> Option<Address> {
    let keystore: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    keystore.get("address")?.as_str()?.parse().ok()
}

/// Opens the key that `--key` names: a keystore's name, `dev:NAME`, or `0x` and 64 hexadecimal digits.
pub(crate) fn open(data_dir: &Path, key: &str) -> Result<PrivateKeySigner> {
    if let Some(name) = key.strip_prefix("dev:") {
        if !DEVELOPMENT.contains(&name) {
            bail!(say!(
                "there is no development key {name:?}: there are {}",
                "não existe a chave de desenvolvimento {name:?}: existem {}",
                DEVELOPMENT.join(", ")
            ));
        }
        return Ok(development(name));
    }
    if key.starts_with("0x") {
        return key.parse().wrap_err_with(|| {
            say!("a private key is 0x and 64 hexadecimal digits", "uma chave privada é 0x e 64 dígitos hexadecimais")
        });
    }
    let path = folder(data_dir).join(format!("{key}.json"));
    if !path.exists() {
        return Err(eyre!(say!(
            "there is no key named {key} in {}: make it with `fonte keys new {key}`",
            "não há chave chamada {key} em {}: crie com `fonte keys new {key}`",
            folder(data_dir).display()
        )));
    }
    PrivateKeySigner::decrypt_keystore(&path, password()?).wrap_err_with(|| {
        say!(
            "{} could not be opened: wrong password, or a damaged file",
            "{} não abriu: senha errada ou arquivo danificado",
            path.display()
        )
    })
}

/// The password: `FONTE_PASSWORD`, or asked for without echo.
pub(crate) fn password() -> Result<String> {
    if let Ok(password) = std::env::var("FONTE_PASSWORD") {
        return Ok(password);
    }
    rpassword::prompt_password(say!("Password: ", "Senha: ")).wrap_err_with(|| {
        say!(
            "no password: set FONTE_PASSWORD, or run in a terminal",
            "sem senha: defina FONTE_PASSWORD ou use um terminal"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_keys_sign_on_development_networks_alone() {
        let development_network = Parameters::development(36683).network();
        let elsewhere = Network { network_id: B256::repeat_byte(7), ..development_network };
        let (known, own) = (development("payer").address(), PrivateKeySigner::random().address());
        refuse_development(known, &development_network).expect("this is what they are for");
        refuse_development(own, &elsewhere).expect("a key of one's own");
        let refused = refuse_development(known, &elsewhere).expect_err("anyone could sign").to_string();
        assert!(refused.contains(&known.to_string()) && refused.contains("fonte keys new"), "{refused}");
    }
}
