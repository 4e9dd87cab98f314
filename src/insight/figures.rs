//! Figures of the day.
