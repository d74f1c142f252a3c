//! append, read on, read at a pointer, pause, trim, own shards; the embedded log
