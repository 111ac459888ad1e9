//! The bytes of an input: a file or standard input, compressed or not.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use super::format::SNIFF_BYTES;
use crate::{Error, Result};

/// The bytes that have not been read yet.
pub(super) type Bytes = Box<dyn Read + Send>;

/// Buffer between a file and its decompressor.
const BUFFER_BYTES: usize = 64 << 10;

/// The compression of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

/// An input whose first bytes are known.
pub(super) struct PeekedInput {
    /// The first bytes, unpacked: at most [`SNIFF_BYTES`].
    pub head: Vec<u8>,
    /// The bytes that follow.
    pub rest: Bytes,
    /// The compression of the input.
    pub compression: Option<Compression>,
}

/// Opens a file, or standard input for `-`, and returns its bytes and its name for messages.
pub(super) fn open_input(path: &Path) -> Result<(Bytes, String)> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(io::stdin()), "-".to_owned()));
    }
    let file = File::open(path).map_err(Error::io("open", path))?;
    Ok((Box::new(file), path.display().to_string()))
}

impl PeekedInput {
    /// Reads the first bytes. Unpacks gzip and zstd, detected by these bytes.
    pub fn new(mut input: Bytes) -> io::Result<Self> {
        let (head, rest) = split_head(&mut input)?;
        let rest = if rest { input } else { Box::new(io::empty()) };
        let Some(compression) = Compression::of(&head) else { return Ok(Self { head, rest, compression: None }) };
        let packed = BufReader::with_capacity(BUFFER_BYTES, Uninterrupted(Box::new(Cursor::new(head).chain(rest))));
        let mut unpacked: Bytes = Box::new(Unpacked { reader: compression.decoder(packed)?, compression });
        let (head, rest) = split_head(&mut unpacked)?;
        let rest = if rest { unpacked } else { Box::new(io::empty()) };
        Ok(Self { head, rest, compression: Some(compression) })
    }

    /// Opens a file, or standard input for `-`, and also returns its name.
    pub fn open(path: &Path) -> Result<(Self, String)> {
        let (input, name) = open_input(path)?;
        Ok((Self::new(input).map_err(Error::io("read", path))?, name))
    }

    /// Returns the head followed by the rest.
    pub fn into_bytes(self) -> Bytes {
        Box::new(Cursor::new(self.head).chain(self.rest))
    }
}

/// Reads the first bytes. The flag is true if there may be more. An input that returned fewer than
/// requested has ended, and a terminal must not be read after its end.
fn split_head(input: &mut Bytes) -> io::Result<(Vec<u8>, bool)> {
    let mut head = Vec::new();
    input.take(SNIFF_BYTES as u64).read_to_end(&mut head)?;
    let more = head.len() == SNIFF_BYTES;
    Ok((head, more))
}

impl Compression {
    /// Detects the compression from the first bytes.
    fn of(head: &[u8]) -> Option<Self> {
        match *head {
            [0x1F, 0x8B, ..] => Some(Self::Gzip),
            // A zstd frame, or a skippable frame, with which pzstd begins.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Returns the decompressor of a whole file, which may consist of several streams.
    #[cfg(feature = "files")]
    fn decoder(self, packed: BufReader<Uninterrupted>) -> io::Result<Bytes> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
        })
    }

    /// Always fails: this build unpacks nothing.
    #[cfg(not(feature = "files"))]
    fn decoder(self, _: BufReader<Uninterrupted>) -> io::Result<Bytes> {
        Err(io::Error::new(io::ErrorKind::Unsupported, crate::Error::FeatureOff { feature: "files" }))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Reader that retries when a signal interrupts a read, because decoders stop there.
struct Uninterrupted(Bytes);

impl Read for Uninterrupted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

/// Reader that explains the errors of a decoder.
struct Unpacked {
    reader: Bytes,
    compression: Compression,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            // An error of the operating system is not about the stream.
            if error.raw_os_error().is_some() {
                return error;
            }
            let message = match error.kind() {
                // The frame's header asks for it: `zstd --long` beyond 27.
                _ if error.to_string().contains("too much memory") => {
                    "the zstd stream needs more than 128 MiB of memory to be unpacked (--long); unpack it first: zstd -d --long=31 FILE".to_owned()
                }
                io::ErrorKind::UnexpectedEof => {
                    format!("the {} stream ends too early; copy or fetch the file again", self.compression)
                }
                _ => format!("the {} stream is damaged ({error}); copy or fetch the file again", self.compression),
            };
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }
}
