//! A PDF of plain lines, in 40 lines: what `invoice_pdf` links to is a file that readers open.

const ON_A_PAGE: usize = 50;

/// The lines in Helvetica, as many pages as they need.
pub fn plain(lines: &[String]) -> Vec<u8> {
    let pages: Vec<&[String]> = lines.chunks(ON_A_PAGE).collect();
    let kids: String = (0..pages.len()).map(|n| format!("{} 0 R ", 4 + 2 * n)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
    ];
    for (n, page) in pages.iter().enumerate() {
        let text: String = page.iter().map(|line| format!("({}) Tj T*\n", escaped(line))).collect();
        let stream = format!("BT /F1 11 Tf 14 TL 56 780 Td\n{text}ET");
        let contents = 5 + 2 * n;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents {contents} 0 R >>"
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len()));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", n + 1);
    }
    let table = file.len();
    let entries: String = offsets.iter().map(|offset| format!("{offset:010} 00000 n \n")).collect();
    let size = objects.len() + 1;
    file += &format!("xref\n0 {size}\n0000000000 65535 f \n{entries}trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n");
    file.into_bytes()
}

/// Text outside of ASCII would need an embedded font; the test double writes `?`.
fn escaped(line: &str) -> String {
    let ascii = line.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' });
    ascii.flat_map(|c| if "()\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}
