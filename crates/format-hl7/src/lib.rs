//! reading and writing HL7 v2 (ER7) and MLLP frames without loss and without I/O
