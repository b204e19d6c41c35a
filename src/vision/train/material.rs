//! What scenes are made of: fonts and encoders, for training or for measuring.

use std::path::Path;

use super::{
    codes::{self, Modules},
    dice::Dice,
    fonts::{FontBook, NoFonts, Split},
    foreign::Foreign,
};

/// Codes of each kind that other programs draw for one measurement.
const FOREIGN: usize = 120;

/// Fonts and encoders.
#[derive(Debug)]
pub struct Material {
    /// The fonts.
    pub fonts: FontBook,
    foreign: Foreign,
}

impl Material {
    /// Of one split. For measuring, codes come from programs that training never uses where they are installed.
    ///
    /// # Errors
    /// When there are no fonts of that split below `fonts`.
    pub fn open(fonts: &Path, split: Split) -> Result<Self, NoFonts> {
        let foreign = if split == Split::Eval { Foreign::collect(FOREIGN, 1) } else { Foreign::default() };
        Ok(Self { fonts: FontBook::open(fonts, split)?, foreign })
    }

    /// How many QR codes, Data Matrix codes and barcodes other programs drew.
    #[must_use]
    pub fn foreign(&self) -> [usize; 3] {
        [self.foreign.qr.len(), self.foreign.data_matrix.len(), self.foreign.bars.len()]
    }

    /// A QR code.
    pub fn qr(&self, dice: &mut Dice) -> Modules {
        if self.foreign.qr.is_empty() { codes::qr(dice) } else { dice.pick(&self.foreign.qr).clone() }
    }

    /// A Data Matrix code.
    pub fn data_matrix(&self, dice: &mut Dice) -> Modules {
        if self.foreign.data_matrix.is_empty() { codes::data_matrix(dice) } else { dice.pick(&self.foreign.data_matrix).clone() }
    }

    /// A barcode and what it says.
    pub fn bars(&self, dice: &mut Dice) -> (Modules, String) {
        if self.foreign.bars.is_empty() { codes::bars(dice) } else { dice.pick(&self.foreign.bars).clone() }
    }
}
