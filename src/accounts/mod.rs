//! Journeys over auth and billing: signing up, getting back in, moving a simulated clock.

pub mod clock;
pub mod letters;
pub mod recovery;
pub mod sign_up;
