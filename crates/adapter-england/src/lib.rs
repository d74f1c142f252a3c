//! serves and calls the systems of one nation
