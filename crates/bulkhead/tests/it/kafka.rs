//! What needs brokers: `./test` starts them and chooses these tests.

mod own_brokers;
