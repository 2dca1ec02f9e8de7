//! An authority, and a certificate of it for this machine, in files for programs that are not ours.
//! It must never leave them behind.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use switchboard::tls::{Identity, Roots};

pub struct Files {
    directory: PathBuf,
}

impl Files {
    pub fn new(name: &str) -> Files {
        let name = format!("openssl-{name}-{}", std::process::id());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).expect("it can be made");
        let files = Files { directory };
        let key = || KeyPair::generate().expect("the system has randomness");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no name is wrong");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let common_name = |parameters: &mut CertificateParams, name: &str| {
            parameters.distinguished_name = DistinguishedName::new();
            let names = &mut parameters.distinguished_name;
            names.push(DnType::CommonName, name); // OpenSSL finds the issuer by it
        };
        common_name(&mut parameters, "an authority");
        let authority = CertifiedIssuer::self_signed(parameters, key()).expect("it can sign");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let own = key();
        let mut parameters = CertificateParams::new(names).expect("they are names");
        common_name(&mut parameters, "localhost");
        let certificate = parameters.signed_by(&own, &authority).expect("it can sign");
        let write = |path, text| fs::write(path, text).expect("the directory is ours");
        write(files.authority(), authority.pem());
        write(files.cert(), certificate.pem());
        write(files.key(), own.serialize_pem());
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn authority(&self) -> PathBuf {
        self.path("authority.pem")
    }

    pub fn cert(&self) -> PathBuf {
        self.path("cert.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.path("key.pem")
    }

    pub fn identity(&self) -> Identity {
        Identity::from_files(self.cert(), self.key()).expect("it was just made")
    }

    pub fn roots(&self) -> Roots {
        Roots::from_file(self.authority()).expect("it was just made")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory); // nothing depends on it
    }
}
