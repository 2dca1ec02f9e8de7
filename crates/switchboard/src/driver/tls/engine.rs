//! One end of the protocol, as `rustls` runs it: bytes in, bytes out, no buffer of its own.
//! It must never see a socket, or keep bytes that it was only lent.

use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedConnectionCommon,
    UnbufferedStatus,
};
use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};

use super::sealed::Sealed;
use crate::tls::{Asked, Role, Session, Side, Version};

/// The longest record there can be with what a version may add to it (RFC 8446, section 5.2), and
/// its header.
pub(super) const RECORD: usize = 16 * 1024 + 256 + 5;

/// What encryption adds to a record at most, header included; TLS 1.2 with CBC would take more, and
/// `rustls` does not speak that.
const OVERHEAD: usize = 64;

/// Room for an alert, or for what waits to go out before it.
const ALERT: usize = 256;

pub(super) enum Engine {
    Client(Box<UnbufferedClientConnection>, Option<String>),
    Server(Box<UnbufferedServerConnection>, Arc<Asked>),
}

/// What the protocol is to do once it has done what it must.
#[derive(Clone, Copy)]
pub(super) enum Task<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    /// Says that we have finished.
    Finish,
}

/// What came of a turn.
#[derive(Default)]
pub(super) struct Turn {
    /// How many of the bytes given are done with.
    pub(super) used: usize,
    /// The peer has said that it has finished.
    pub(super) is_finished: bool,
    /// The task was done.
    pub(super) is_done: bool,
    pub(super) error: Option<Error>,
}

impl Engine {
    pub(super) fn new(role: Role) -> Result<Engine, Error> {
        match role.0 {
            Side::Server(server) => {
                let (config, asked) = server.for_one();
                let connection = UnbufferedServerConnection::new(config)?;
                Ok(Engine::Server(Box::new(connection), asked))
            }
            Side::Client(client, name) => {
                let name = name.ok_or_else(|| Error::General("nobody is expected".into()))?;
                let text = name.to_str().into_owned();
                let connection = UnbufferedClientConnection::new(client.config, name)?;
                Ok(Engine::Client(Box::new(connection), Some(text)))
            }
        }
    }

    fn common(&self) -> &CommonState {
        match self {
            Engine::Client(connection, _) => connection,
            Engine::Server(connection, _) => connection,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// Works on `incoming`, which begins with what earlier turns have not used. What was decrypted
    /// is appended to `plain`, what is to be sent to `sealed`.
    pub(super) fn turn(
        &mut self,
        incoming: &mut [u8],
        task: Task<'_>,
        plain: &mut Vec<u8>,
        sealed: &mut Sealed,
    ) -> Turn {
        match self {
            Engine::Client(connection, _) => {
                let process =
                    UnbufferedConnectionCommon::<ClientConnectionData>::process_tls_records;
                turn(connection, process, incoming, task, plain, sealed)
            }
            Engine::Server(connection, _) => {
                let process =
                    UnbufferedConnectionCommon::<ServerConnectionData>::process_tls_records;
                turn(connection, process, incoming, task, plain, sealed)
            }
        }
    }

    /// What was agreed, once it is.
    pub(super) fn session(&self) -> Session {
        let common = self.common();
        let certificates = common.peer_certificates().unwrap_or_default();
        let suite = common.negotiated_cipher_suite();
        Session {
            version: match common.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
                _ => Version::Tls12,
            },
            cipher: suite.map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
            alpn: common.alpn_protocol().map(<[u8]>::to_vec),
            name: match self {
                Engine::Client(_, name) => name.clone(),
                Engine::Server(_, asked) => asked.name().cloned(),
            },
            certificates: certificates.iter().map(|of| of.to_vec()).collect(),
            resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

fn turn<D>(
    connection: &mut UnbufferedConnectionCommon<D>,
    process: for<'c, 'i> fn(
        &'c mut UnbufferedConnectionCommon<D>,
        &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, D>,
    incoming: &mut [u8],
    mut task: Task<'_>,
    plain: &mut Vec<u8>,
    sealed: &mut Sealed,
) -> Turn {
    let mut turn = Turn::default();
    loop {
        // After a failure there is only an alert to be sent: what it failed at must not be seen twice.
        if turn.error.is_some() && !connection.wants_write() {
            return turn;
        }
        let UnbufferedStatus { discard, state } = process(connection, &mut incoming[turn.used..]);
        match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                sealed.fill(ALERT, |room| match data.encode(room) {
                    Err(EncodeError::InsufficientSize(size)) => Err(Some(size)),
                    result => result.map_err(|_| None),
                });
            }
            _ if turn.error.is_some() => return turn,
            Err(error) => turn.error = Some(error),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(Ok(record)) = traffic.next_record() {
                    plain.extend_from_slice(record.payload);
                }
            }
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => turn.is_finished = true,
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let is_sealed = match std::mem::replace(&mut task, Task::Nothing) {
                    Task::Nothing => {
                        turn.used += discard;
                        return turn;
                    }
                    Task::Encrypt(bytes) => {
                        let records = bytes.len() / (RECORD - 512) + 1;
                        sealed.fill(bytes.len() + records * OVERHEAD, |room| {
                            traffic.encrypt(bytes, room).map_err(too_small)
                        })
                    }
                    Task::Finish => sealed.fill(ALERT, |room| {
                        traffic.queue_close_notify(room).map_err(too_small)
                    }),
                };
                turn.is_done = is_sealed;
                if !is_sealed {
                    turn.error = Some(Error::EncryptError);
                }
            }
            // Both ends have finished, or more has to come.
            _ => {
                turn.used += discard;
                return turn;
            }
        }
        turn.used += discard;
    }
}

fn too_small(error: EncryptError) -> Option<InsufficientSizeError> {
    match error {
        EncryptError::InsufficientSize(size) => Some(size),
        EncryptError::EncryptExhausted => None,
    }
}
