//! Data on its way out of a store and into another one.

pub mod html;
pub mod json;
pub mod moments;
pub mod text;
