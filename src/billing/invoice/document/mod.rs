//! The PDF of an invoice or a credit note, set by Typst from data alone: tagged (PDF/A-3a, PDF/UA-1), and a hybrid invoice (Factur-X) where the
//! account asks for one. The same rows and the same template give the same bytes.

mod credit_note;
mod data;
mod factur_x;
mod xmp;

use std::path::Path;
use std::sync::LazyLock;

use entity::{credit_note as credit_notes, invoice, invoice_line};
use typst::foundations::{Bytes, Dict, IntoValue as _, Smart};
use typst::text::Font;
use typst_as_lib::TypstEngine;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use super::finalize::snapshot_of;

/// The names of the templates, in the operator's folder as in ours.
const INVOICE: &str = "invoice.typ";
const CREDIT_NOTE: &str = "credit_note.typ";
/// Glyphs that the fonts of ours lack; used when the machine has it.
const MORE_GLYPHS: &str = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc";

/// Why a document could not be made: a fault of ours or of the operator's template, never of the customer's data.
#[derive(Debug, thiserror::Error)]
#[error("the document of the invoice: {0}")]
pub struct DocumentError(String);

/// Read once: that takes longer than setting an invoice.
static FONTS: LazyLock<Vec<Font>> = LazyLock::new(|| {
    let ours: [&[u8]; 2] = [
        include_bytes!("../../../../templates/fonts/LensmeterCJK-Regular.otf"),
        include_bytes!("../../../../templates/fonts/LensmeterCJK-Bold.otf"),
    ];
    let compiled_in = ours.into_iter().chain(typst_assets::fonts()).map(Bytes::new);
    // Missing: glyphs beyond GB 2312 are set as boxes, everything else is as before.
    let installed = std::fs::read(MORE_GLYPHS).ok().map(Bytes::new);
    compiled_in.chain(installed).flat_map(Font::iter).collect()
});

/// Sets an issued invoice, on a thread that may take its time. With `folder`, by the operator's `invoice.typ` in it, which is
/// read anew for each document.
///
/// # Errors
/// When the template cannot be read, or does not take the data.
pub async fn render(folder: Option<&Path>, invoice: &invoice::Model, lines: &[invoice_line::Model]) -> Result<Vec<u8>, DocumentError> {
    let snapshot = snapshot_of(invoice).map_err(|error| DocumentError(error.to_string()))?;
    let attachment = factur_x::attachment(invoice, &snapshot, lines)?;
    let number = invoice.number.clone().unwrap_or_default();
    let data = data::data(invoice, &snapshot, lines, attachment.as_deref().unwrap_or_default())?.to_string();
    let file = folder.map(|folder| folder.join(INVOICE));
    let rendered = tokio::task::spawn_blocking(move || {
        let pdf = set((INVOICE, template(file.as_deref())?), data, &number)?;
        Ok(if attachment.is_some() { xmp::declare(pdf)? } else { pdf })
    });
    rendered.await.map_err(|error| DocumentError(error.to_string()))?
}

/// Sets a credit note of an invoice, as [`render`] sets that. An operator's folder without a `credit_note.typ` has ours.
///
/// # Errors
/// As [`render`].
pub async fn render_credit_note(
    folder: Option<&Path>,
    note: &credit_notes::Model,
    invoice: &invoice::Model,
) -> Result<Vec<u8>, DocumentError> {
    let snapshot = snapshot_of(invoice).map_err(|error| DocumentError(error.to_string()))?;
    let (data, number) = (credit_note::data(note, invoice, &snapshot).to_string(), note.number.clone());
    let file = folder.map(|folder| folder.join(CREDIT_NOTE)).filter(|file| file.exists());
    let rendered = tokio::task::spawn_blocking(move || {
        let template = match &file {
            None => include_str!("../../../../templates/credit_note.typ").to_owned(),
            Some(file) => read(file)?,
        };
        set((CREDIT_NOTE, template), data, &number)
    });
    rendered.await.map_err(|error| DocumentError(error.to_string()))?
}

fn template(file: Option<&Path>) -> Result<String, DocumentError> {
    match file {
        None => Ok(include_str!("../../../../templates/invoice.typ").to_owned()),
        Some(file) => read(file),
    }
}

fn read(file: &Path) -> Result<String, DocumentError> {
    std::fs::read_to_string(file).map_err(|error| DocumentError(format!("seller.template: {}: {error}", file.display())))
}

fn set(template: (&str, String), data: String, number: &str) -> Result<Vec<u8>, DocumentError> {
    let wrong = |problem: &dyn std::fmt::Debug| DocumentError(format!("{problem:?}"));
    let mut inputs = Dict::new();
    inputs.insert("data".into(), data.into_value());
    // Under its name, not as a file without one: Typst keeps a number for each of those, and has 65 535.
    let engine = TypstEngine::builder().main_file(template).fonts(FONTS.iter().cloned()).build();
    let document = engine.compile_with_input(inputs).output.map_err(|error| wrong(&error))?;
    let export = |standards: &[PdfStandard]| {
        let options = PdfOptions {
            // No time of now and no random identifier: the same invoice is the same file.
            ident: Smart::Custom(number.into()),
            creator: Smart::Custom(Some("Lensmeter".into())),
            standards: PdfStandards::new(standards).map_err(|error| wrong(&error))?,
            ..PdfOptions::default()
        };
        typst_pdf::pdf(&document, &options).map_err(|error| wrong(&error))
    };
    // A name in a script that no font here has is no reason to have no invoice: its glyphs are missing, which the standards
    // forbid, and nothing else. An operator's template may be archivable and not accessible.
    let whole = export(&[PdfStandard::A_3a, PdfStandard::Ua_1]);
    whole.or_else(|_| export(&[PdfStandard::A_3b])).or_else(|error| {
        tracing::warn!(%error, "invoice {number} is no PDF/A: {error}");
        export(&[])
    })
}
