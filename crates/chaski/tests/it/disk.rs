//! A disk that breaks and a disk that is full, under the real process.

mod broken;
mod full;
