//! The flags of `account`. It must never act: it turns words into values.

use clap::{Args, Subcommand};

use super::data::DataArgs;

/// Flags of `account`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct AccountArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AccountCommand,
}

/// What can be done with accounts.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum AccountCommand {
    /// Make an account. No server may be using the data
    ///
    /// Its password is asked for on a terminal, where it is not shown; otherwise it is the first line
    /// of standard input.
    Create(NameArgs),
    /// Give an account another password. No server may be using the data
    ///
    /// The password is asked for on a terminal, where it is not shown; otherwise it is the first line
    /// of standard input. While a server runs, its administrators do the same by /SETPASS, and owners
    /// by /PASSWD.
    Passwd(NameArgs),
    /// List the accounts, one on each line: its name, when it was made, how many certificates log in
    /// to it, and whether it is suspended. A server may be using the data meanwhile
    List(ListArgs),
}

/// Flags of `account create` and `account passwd`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct NameArgs {
    /// The account
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Flags of `account list`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ListArgs {
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}
