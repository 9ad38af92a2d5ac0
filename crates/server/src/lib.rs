//! Listeners, TLS, configuration, shutdown.
