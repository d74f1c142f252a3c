//! a stand-in for a local clinical system, speaking its nation's real protocol
