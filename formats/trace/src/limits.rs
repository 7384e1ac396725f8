//! A limit on everything that a reader takes from a file. All are part of the format: a writer
//! that exceeds one writes a file that readers refuse.

/// Uncompressed bytes after which a writer closes a frame.
pub const FRAME_TARGET: usize = 1 << 20;
/// The same for one of events alone: while it is compressed, rings fill up.
pub const FRAME_EVENTS_TARGET: usize = 256 << 10;
/// Most uncompressed bytes of a frame.
pub const FRAME_RAW_MAX: usize = 16 << 20;
/// Most compressed bytes of a frame: incompressible data grows a little.
pub const FRAME_COMPRESSED_MAX: usize = FRAME_RAW_MAX + (1 << 20);
/// Most bytes of the index frame's payload.
pub const INDEX_MAX: usize = 1 << 30;
/// Most bytes of a content chunk.
pub const CHUNK_MAX: usize = 1 << 20;
/// Payloads of at least so many bytes are stored as content chunks.
pub const CHUNKED_FROM: usize = 4096;
/// Most payload bytes of one event. Larger ones are given to the writer as content.
pub const EVENT_BYTES_MAX: usize = 128 << 20;
/// Payload bytes of one event that may lie inline; what exceeds it is chunked whatever its size.
pub const EVENT_INLINE_MAX: usize = 256 << 10;
/// Most parts of one event.
pub const EVENT_PARTS_MAX: usize = 1 << 17;
/// Events after which a writer closes a batch.
pub const BATCH_EVENTS_TARGET: usize = 16384;
/// Most events of a batch.
pub const BATCH_EVENTS_MAX: usize = 1 << 16;
/// Parts after which a writer closes a batch.
pub const BATCH_PARTS_TARGET: usize = 1 << 17;
/// Most parts of all events of a batch.
pub const BATCH_PARTS_MAX: usize = 1 << 19;
/// Column bytes after which a writer closes a batch.
pub const BATCH_BYTES_TARGET: usize = 256 << 10;
/// Column bytes that a writer holds back over all streams.
pub const BUFFERED_MAX: usize = 32 << 20;
/// Content bytes that a writer holds back over all unfinished contents.
pub const CONTENT_BUFFERED_MAX: usize = 32 << 20;
/// Streams after which a writer closes a frame, so that its header stays small.
pub const FRAME_STREAMS_MAX: usize = 16 << 10;
/// Most nodes (numbers, strings, lists, …) of one MessagePack value.
pub const VALUE_NODES_MAX: usize = 1 << 20;
/// Deepest nesting of one MessagePack value.
pub const VALUE_DEPTH_MAX: usize = 16;
/// Chunks listed in one `file` value.
pub const FILE_CHUNKS_MAX: usize = 4096;
/// Parts of an event that the next event of its site is predicted from.
pub const PREDICTED_PARTS_MAX: usize = 64;
/// Largest payload that may be stored as differences of words.
pub const WORDS_BYTES_MAX: usize = 32;
