//! Reader for Arrow's IPC messages, one after the other.
//!
//! An Arrow file is a stream between two marks, followed by a directory for random access. This
//! module reads files as streams too, so that standard input and gzip work as well. It reads each
//! message whole and checks the positions in it before decoding, because the decoder trusts them.

use std::io::{self, BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{CompressionType, Message, MessageHeader, root_as_message};
use arrow_schema::{ArrowError, Schema};

use super::source::Bytes;
use crate::{Error, Result};

/// The mark at the start and the end of a file. Zeros pad the first one to a multiple of 8 or more
/// bytes.
const FILE_MARK: &[u8] = b"ARROW1";
/// The marker before the length of a message, since version 0.15 of Arrow.
const CONTINUATION: [u8; 4] = [0xFF; 4];
const END_OF_STREAM: [u8; 8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
/// Unpacked bytes that the columns of a batch may always have, however small the message is.
const FREE_BYTES: u64 = 256 << 20;
/// Maximum ratio of unpacked to packed bytes of a batch that unpacks to more than `FREE_BYTES`.
const MAX_RATIO: u64 = 64;
/// Maximum length in bytes of a message of an input that is compressed as a whole. (Otherwise the
/// size of the file bounds it.)
const MAX_PACKED_MESSAGE: u64 = 1 << 30;

/// The record batches of an input.
pub(super) struct ArrowStream {
    name: String,
    bytes: BufReader<Bytes>,
    is_file: bool,
    is_packed: bool,
    schema: Schema,
    decoder: StreamDecoder,
    /// The bytes that the decoder has not taken yet.
    message: Buffer,
    /// True once the last message has been read.
    ended: bool,
}

/// Skips a file's first mark and its padding of zeros: to 8 bytes as the format says, or to 64 as
/// arrow-rs writes it.
fn skip_mark(bytes: &mut BufReader<Bytes>) -> io::Result<()> {
    io::copy(&mut bytes.by_ref().take(FILE_MARK.len() as u64), &mut io::sink())?;
    loop {
        let chunk = match bytes.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let zeros = chunk.iter().take_while(|&&byte| byte == 0).count();
        let all = zeros == chunk.len();
        bytes.consume(zeros);
        if !all || zeros == 0 {
            return Ok(());
        }
    }
}

/// A message as it lies in the input.
struct RawMessage {
    bytes: Vec<u8>,
    /// The range of its description in `bytes`. The body follows it.
    description: std::ops::Range<usize>,
}

impl ArrowStream {
    /// Reads the schema. `is_packed`: the input as a whole is compressed. `name` is used in
    /// messages.
    pub fn open(bytes: Bytes, is_file: bool, is_packed: bool, name: &str) -> Result<Self> {
        let mut bytes = BufReader::new(bytes);
        if is_file {
            skip_mark(&mut bytes).map_err(Error::io("read", name))?;
        }
        let mut stream = Self {
            name: name.to_owned(),
            bytes,
            is_file,
            is_packed,
            schema: Schema::empty(),
            decoder: StreamDecoder::new(),
            message: Buffer::default(),
            ended: false,
        };
        let Some(first) = stream.read_message()? else { return Err(stream.damaged("it has no schema")) };
        let schema = stream.description(&first)?.header_as_schema().map(try_fb_to_schema);
        match schema {
            Some(Ok(schema)) => stream.schema = schema,
            Some(Err(error)) => return Err(stream.failure(&error)),
            None => return Err(stream.damaged("it does not begin with a schema")),
        }
        stream.message = first.bytes.into();
        Ok(stream)
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Returns the next batch, `None` at the end.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while !self.message.is_empty() {
                if let Some(batch) = self.decode()? {
                    return Ok(Some(batch));
                }
            }
            if self.ended {
                return self.check_end().map(|()| None);
            }
            self.message = match self.read_message()? {
                Some(message) => message.bytes.into(),
                None => {
                    self.ended = true;
                    // The decoder takes a message without a body only when something follows.
                    END_OF_STREAM.to_vec().into()
                }
            };
        }
    }

    /// Decodes the message, or its beginning. The decoder asserts some facts that the positions do
    /// not cover, so panics become errors.
    fn decode(&mut self) -> Result<Option<RecordBatch>> {
        let (decoder, message) = (&mut self.decoder, &mut self.message);
        // After an error the decoder is not used again.
        let decoded: Result<_, ArrowError> = catch_unwind(AssertUnwindSafe(|| decoder.decode(message)))
            .unwrap_or_else(|_| Err(ArrowError::IpcError("a message contradicts itself".to_owned())));
        decoded.map_err(|error| self.failure(&error))
    }

    /// Reads the next message. Returns `None` at the end of the stream.
    fn read_message(&mut self) -> Result<Option<RawMessage>> {
        let mut bytes = Vec::new();
        if !self.read(4, &mut bytes)? {
            // A stream may end without an end mark.
            return if self.is_file || !bytes.is_empty() { Err(self.damaged("it ends too early")) } else { Ok(None) };
        }
        if bytes == CONTINUATION {
            self.read_whole(4, &mut bytes)?;
        }
        let start = bytes.len();
        let length = i32::from_le_bytes(std::array::from_fn(|byte| bytes[start - 4 + byte]));
        let length = u64::try_from(length).map_err(|_| self.damaged("a message has a negative length"))?;
        if length == 0 {
            return Ok(None);
        }
        self.read_whole(length, &mut bytes)?;
        let mut message = RawMessage { description: start..bytes.len(), bytes };
        let body_bytes = self.description(&message)?.bodyLength();
        let body_bytes = u64::try_from(body_bytes).map_err(|_| self.damaged("a body has a negative length"))?;
        if self.is_packed && body_bytes > MAX_PACKED_MESSAGE {
            let message = format!(
                "a batch of {body_bytes} bytes; in a file that is compressed as a whole the limit is 1 GiB: unpack it first"
            );
            return Err(Error::BadInput { file: self.name.clone(), message });
        }
        self.read_whole(body_bytes, &mut message.bytes)?;
        self.check_places(&message)?;
        Ok(Some(message))
    }

    /// Appends `count` bytes. Returns false if the input ends earlier.
    fn read(&mut self, count: u64, bytes: &mut Vec<u8>) -> Result<bool> {
        let read = self.bytes.by_ref().take(count).read_to_end(bytes).map_err(Error::io("read", &self.name))?;
        Ok(read as u64 == count)
    }

    fn read_whole(&mut self, count: u64, bytes: &mut Vec<u8>) -> Result<()> {
        if self.read(count, bytes)? { Ok(()) } else { Err(self.damaged("it ends too early")) }
    }

    fn description<'a>(&self, message: &'a RawMessage) -> Result<Message<'a>> {
        let bytes = &message.bytes[message.description.clone()];
        root_as_message(bytes).map_err(|error| self.damaged(&format!("a message cannot be read ({error})")))
    }

    /// Checks that the columns' bytes lie within the body.
    fn check_places(&self, message: &RawMessage) -> Result<()> {
        let description = self.description(message)?;
        let batch = match description.header_type() {
            MessageHeader::RecordBatch => description.header_as_record_batch(),
            MessageHeader::DictionaryBatch => description.header_as_dictionary_batch().and_then(|batch| batch.data()),
            _ => return Ok(()),
        };
        let Some(batch) = batch else { return Err(self.damaged("a batch has no columns")) };
        let body = &message.bytes[message.description.end..];
        let is_compressed = batch.compression().is_some_and(|compression| {
            matches!(compression.codec(), CompressionType::LZ4_FRAME | CompressionType::ZSTD)
        });
        let mut sizes = [0_u64; 2];
        for buffer in batch.buffers().into_iter().flatten() {
            let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let bytes = range.and_then(|(offset, length)| body.get(offset..offset.checked_add(length)?));
            let Some(bytes) = bytes else { return Err(self.damaged("a column lies outside of its message")) };
            if is_compressed && !bytes.is_empty() {
                let Some(&unpacked) = bytes.first_chunk() else {
                    return Err(self.damaged("a compressed column has no length"));
                };
                // A negative length means that the column is not compressed after all.
                let unpacked = u64::try_from(i64::from_le_bytes(unpacked)).unwrap_or(bytes.len() as u64);
                sizes = [sizes[0].saturating_add(unpacked), sizes[1].saturating_add(bytes.len() as u64)];
            }
        }
        self.check_sizes(sizes)?;
        let is_sane = |node: &arrow_ipc::FieldNode| (0..=node.length()).contains(&node.null_count());
        if batch.length() < 0 || !batch.nodes().into_iter().flatten().all(is_sane) {
            return Err(self.damaged("a column has a negative length, or more nulls than rows"));
        }
        Ok(())
    }

    /// Checks that a batch does not unpack to much more than its size.
    fn check_sizes(&self, [unpacked, packed]: [u64; 2]) -> Result<()> {
        if unpacked <= FREE_BYTES.max(packed.saturating_mul(MAX_RATIO)) {
            return Ok(());
        }
        let message = format!(
            "a batch of {packed} bytes unpacks to {unpacked}, more than {FREE_BYTES} bytes and {MAX_RATIO} times its size; write it with smaller batches"
        );
        Err(Error::BadInput { file: self.name.clone(), message })
    }

    /// Turns a decoder's error into ours: an unsupported feature or a damaged file.
    fn failure(&self, error: &ArrowError) -> Error {
        let message = error.to_string();
        let cannot = matches!(error, ArrowError::NotYetImplemented(_))
            || ["not supported", "not implemented", "not yet implemented"].iter().any(|word| message.contains(word));
        match cannot {
            true => Error::BadInput {
                file: self.name.clone(),
                message: format!(
                    "this Arrow file uses an unsupported feature ({message}); write it anew, e.g. with pyarrow's defaults"
                ),
            },
            false => self.damaged(&message),
        }
    }

    /// Reads the input to its end. A writing program at the other end of a pipe needs that, and a
    /// file must have its mark there.
    fn check_end(&mut self) -> Result<()> {
        let mut rest = Vec::new();
        if !self.is_file {
            return io::copy(&mut self.bytes, &mut io::sink()).map(drop).map_err(Error::io("read", &self.name));
        }
        self.bytes.read_to_end(&mut rest).map_err(Error::io("read", &self.name))?;
        if rest.ends_with(FILE_MARK) { Ok(()) } else { Err(self.damaged("it ends too early")) }
    }

    fn damaged(&self, message: &str) -> Error {
        Error::BadInput { file: self.name.clone(), message: format!("this Arrow file is damaged: {message}") }
    }
}
