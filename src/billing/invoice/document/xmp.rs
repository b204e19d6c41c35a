//! Says in the PDF's metadata that it is a Factur-X invoice. Typst writes no metadata of others' making, so the stream is written
//! anew as an incremental update (ISO 32000-1, 7.5.6): what was there stays byte for byte, a new version of one object follows.

use super::DocumentError;

/// What PDF/A wants to know of properties that it does not define (ISO 19005-3, 6.6.2.3), and the properties (Factur-X 1.0,
/// 6.2.2). The profile is EN 16931.
const DECLARED: &str = r#"<rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"><fx:DocumentType>INVOICE</fx:DocumentType><fx:DocumentFileName>factur-x.xml</fx:DocumentFileName><fx:Version>1.0</fx:Version><fx:ConformanceLevel>EN 16931</fx:ConformanceLevel></rdf:Description>"#;
const SCHEMA: &str = r#"<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema><pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>PROPERTIES</rdf:Seq></pdfaSchema:property></rdf:li>"#;
const PROPERTIES: [(&str, &str); 4] = [
    ("DocumentFileName", "name of the embedded XML invoice file"),
    ("DocumentType", "INVOICE"),
    ("Version", "version of the Factur-X XML schema"),
    ("ConformanceLevel", "profile of the embedded XML invoice"),
];

/// Adds the declaration to the metadata of a PDF of ours.
pub(super) fn declare(mut pdf: Vec<u8>) -> Result<Vec<u8>, DocumentError> {
    let wrong = |what: &str| DocumentError(format!("the PDF has no {what} where Typst writes it"));
    let (object, xmp) = metadata(&pdf).ok_or_else(|| wrong("metadata"))?;
    let trailer = trailer(&pdf).ok_or_else(|| wrong("trailer"))?;
    let previous = start_of_table(&pdf).ok_or_else(|| wrong("startxref"))?;
    let xmp = declared(&xmp).ok_or_else(|| wrong("RDF in its metadata"))?;
    if !pdf.ends_with(b"\n") {
        pdf.push(b'\n');
    }
    let offset = pdf.len();
    pdf.extend_from_slice(
        format!("{object} 0 obj\n<</Length {}/Type/Metadata/Subtype/XML>>\nstream\n{xmp}\nendstream\nendobj\n\n", xmp.len()).as_bytes(),
    );
    let table = pdf.len();
    pdf.extend_from_slice(
        format!("xref\n{object} 1\n{offset:010} 00000 n\r\ntrailer\n<<{trailer}/Prev {previous}>>\nstartxref\n{table}\n%%EOF").as_bytes(),
    );
    Ok(pdf)
}

/// The number of the metadata's object, and its text.
fn metadata(pdf: &[u8]) -> Option<(u32, String)> {
    let kind = find(pdf, b"/Metadata")?;
    let head = pdf[..kind].windows(6).rposition(|bytes| bytes == b" 0 obj")?;
    let number = pdf[..head].rsplit(|byte| !byte.is_ascii_digit()).next()?;
    let begins = kind + find(&pdf[kind..], b"stream\n")? + b"stream\n".len();
    let ends = begins + find(&pdf[begins..], b"\nendstream")?;
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, String::from_utf8(pdf[begins..ends].to_vec()).ok()?))
}

/// What stands in the dictionary of the trailer.
fn trailer(pdf: &[u8]) -> Option<String> {
    let from = pdf.windows(7).rposition(|bytes| bytes == b"trailer")?;
    let begins = from + find(&pdf[from..], b"<<")? + 2;
    let ends = begins + find(&pdf[begins..], b"startxref")?;
    let text = std::str::from_utf8(&pdf[begins..ends]).ok()?.trim_end();
    Some(text.strip_suffix(">>")?.to_owned())
}

fn start_of_table(pdf: &[u8]) -> Option<usize> {
    let from = pdf.windows(9).rposition(|bytes| bytes == b"startxref")?;
    std::str::from_utf8(&pdf[from + 9..]).ok()?.split_whitespace().next()?.parse().ok()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn declared(xmp: &str) -> Option<String> {
    let property = |(name, description): &(&str, &str)| {
        format!(
            "<rdf:li rdf:parseType=\"Resource\"><pdfaProperty:name>{name}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category><pdfaProperty:description>{description}</pdfaProperty:description></rdf:li>"
        )
    };
    let schema = SCHEMA.replace("PROPERTIES", &PROPERTIES.iter().map(property).collect::<String>());
    let end = xmp.rfind("</rdf:RDF>")?;
    let (before, after) = xmp.split_at(end);
    // Schemas are one list: that of PDF/UA's identifier is there already.
    let known =
        before.find("<pdfaExtension:schemas>").and_then(|list| before[list..].find("<rdf:Bag>").map(|bag| list + bag + "<rdf:Bag>".len()));
    Some(match known {
        Some(bag) => format!("{}{schema}{}{DECLARED}{after}", &before[..bag], &before[bag..]),
        None => format!(
            "{before}<rdf:Description rdf:about=\"\" xmlns:pdfaExtension=\"http://www.aiim.org/pdfa/ns/extension/\" xmlns:pdfaSchema=\"http://www.aiim.org/pdfa/ns/schema#\" xmlns:pdfaProperty=\"http://www.aiim.org/pdfa/ns/property#\"><pdfaExtension:schemas><rdf:Bag>{schema}</rdf:Bag></pdfaExtension:schemas></rdf:Description>{DECLARED}{after}"
        ),
    })
}
