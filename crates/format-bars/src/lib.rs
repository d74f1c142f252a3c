//! reading and writing BaRS messages (FHIR R4, JSON and XML) without I/O
