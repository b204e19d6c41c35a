//! Journeys over auth and billing: signing up, getting back in, saying who one is, moving a simulated clock.

pub mod clock;
pub mod details;
mod due;
pub mod letters;
pub mod recovery;
pub mod sign_up;
