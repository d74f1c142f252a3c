//! reads, decides, keeps tenants apart, delivers, records
