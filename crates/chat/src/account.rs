//! `switchboard account`: accounts in a server's data, made and changed while no server runs.
//!
//! It must never show a password, nor make an account that the server itself would refuse.

mod prompt;

use std::io::{Write as _, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_chat::accounts::names::AccountName;
use switchboard_chat::accounts::password::Password;
use switchboard_chat::accounts::verifier::{Iterations, SALT_BYTES, Verifier};
use switchboard_chat::chat::Chat;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::cli::account::{AccountArgs, AccountCommand, ListArgs, NameArgs};
use switchboard_chat::escape::Escaped;
use switchboard_chat::store::exchange::moments;
use switchboard_chat::store::record::{AccountRecord, Write};
use switchboard_chat::store::sqlite::{SqliteArchive, SqliteStore};
use switchboard_chat::store::{Store, StoreError};

/// Does what is asked for.
///
/// # Errors
/// One line that says why not.
pub fn run(args: &AccountArgs) -> Result<ExitCode, String> {
    match &args.command {
        AccountCommand::Create(args) => create(args),
        AccountCommand::Passwd(args) => set_password(args),
        AccountCommand::List(args) => list(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// The accounts of a server that does not run, and the store to change them in.
struct Accounts {
    store: SqliteStore,
    chat: Chat,
}

impl Accounts {
    fn open(database: &Path) -> Result<Accounts, String> {
        let mut store = SqliteStore::open(database).map_err(say)?;
        let snapshot = store.load().map_err(say)?;
        // Which names look alike is the chat's to say.
        let chat = Chat::new(Settings::default(), snapshot);
        Ok(Accounts { store, chat })
    }

    fn keep(&mut self, account: AccountRecord) -> Result<(), String> {
        let write = Write::Account(Arc::new(account));
        self.store.commit(&[write]).map_err(say)
    }
}

fn create(args: &NameArgs) -> Result<(), String> {
    let name = name(&args.name)?;
    let mut accounts = Accounts::open(&args.data.make_database()?)?;
    let free = accounts.chat.may_be_named(name.as_str());
    free.map_err(|refusal| refusal.to_string())?;
    let verifier = verifier(&name)?;
    accounts.keep(AccountRecord {
        name: name.as_str().into(),
        verifier,
        created_unix_ms: moments::unix_ms(SystemTime::now()).unwrap_or(0),
        certificates: Vec::new(),
        suspended: false,
    })?;
    tell(&format!(
        "there is an account {name} now; `switchboard serve --admin {name}` makes its owner an \
         administrator\n"
    ));
    Ok(())
}

fn set_password(args: &NameArgs) -> Result<(), String> {
    let name = name(&args.name)?;
    let mut accounts = Accounts::open(&args.data.existing_database()?)?;
    let account = accounts.chat.account(name.as_str());
    let account = account.ok_or_else(|| {
        format!("there is no account {name}: `switchboard account list` shows those that there are")
    })?;
    let mut account = AccountRecord::clone(account);
    account.verifier = verifier(&name)?;
    accounts.keep(account)?;
    tell(&format!("{name} has another password now\n"));
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), String> {
    let mut archive = SqliteArchive::open(args.data.existing_database()?).map_err(say)?;
    let mut text = String::new();
    for write in archive.settings().map_err(say)? {
        if let Write::Account(account) = write {
            text.push_str(&line(&account));
        }
    }
    tell(&text);
    Ok(())
}

fn line(account: &AccountRecord) -> String {
    let made = UNIX_EPOCH + Duration::from_millis(account.created_unix_ms);
    let name = Escaped::new(account.name.as_bytes());
    let made = humantime::format_rfc3339_seconds(made);
    let certificates = match account.certificates.len() {
        0 => String::new(),
        count => format!(" certificates={count}"),
    };
    let suspended = if account.suspended { " suspended" } else { "" };
    format!("{name} {made}{certificates}{suspended}\n")
}

fn name(text: &str) -> Result<AccountName, String> {
    let name = text.parse::<AccountName>();
    name.map_err(|why| format!("{}: {why}", Escaped::new(text.as_bytes())))
}

/// What is kept of the password that somebody chooses now.
fn verifier(name: &AccountName) -> Result<Arc<str>, String> {
    let text = prompt::new_password()?;
    let password = Password::chosen(&text, name).map_err(|why| why.to_string())?;
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|why| format!("the system has no randomness: {why}"))?;
    let verifier = Verifier::from_password(&password, &salt, Iterations::DEFAULT);
    Ok(verifier.to_text().as_str().into())
}

/// Who does not read this does not mind.
fn tell(text: &str) {
    let _ = stdout().write_all(text.as_bytes());
}

fn say(error: StoreError) -> String {
    error.to_string()
}
