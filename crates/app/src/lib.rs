//! Domain services, one folder a feature.
