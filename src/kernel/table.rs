//! Tables as spreadsheets write them: a header line, commas or semicolons, cells with their quotes.

use serde_json::{Map, Value};

/// Names of columns as people here write them, and what they are called in the program.
const CALLED: &[(&str, &[&str])] = &[
    (
        "phone",
        &[
            "nomor",
            "no_hp",
            "nohp",
            "hp",
            "no_wa",
            "wa",
            "whatsapp",
            "nomor_hp",
            "nomor_wa",
            "nomor_whatsapp",
            "no_whatsapp",
            "telepon",
            "no_telepon",
            "nomor_telepon",
            "telp",
            "no_telp",
            "handphone",
            "phone_number",
            "mobile",
        ],
    ),
    ("name", &["nama", "nama_lengkap", "nama_jamaah", "full_name"]),
    ("email", &["surel", "e-mail", "e_mail"]),
    ("address", &["alamat"]),
    ("interest", &["minat"]),
    ("labels", &["label", "tag", "tags"]),
    ("product", &["produk", "paket"]),
    ("quantity", &["jumlah", "qty"]),
    ("price_idr", &["harga"]),
    ("bought_on", &["tanggal_beli", "tgl_beli", "tanggal_pembelian"]),
    ("code", &["kode"]),
    ("source", &["sumber"]),
];

fn column(written: &str) -> String {
    let name = written.trim_start_matches('\u{feff}').to_lowercase().replace('.', "").trim().replace(' ', "_");
    CALLED.iter().find(|(_, also)| also.contains(&name.as_str())).map_or(name, |(ours, _)| (*ours).to_owned())
}

/// What the columns are called in the program. Of two that mean the same the first holds, of numbers the one for WhatsApp;
/// the others keep the name they are written by, so that whoever reads the table can tell that they were left out.
fn columns(written: &[String]) -> Vec<String> {
    let mut names: Vec<String> = written.iter().map(|name| column(name)).collect();
    let is_chat = |at: &usize| written[*at].to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "wa" | "whatsapp"));
    for at in 0..names.len() {
        let same: Vec<usize> = (0..names.len()).filter(|other| names[*other] == names[at]).collect();
        if same.len() > 1 {
            let kept = same.iter().copied().find(is_chat).unwrap_or(same[0]);
            for other in same.into_iter().filter(|other| *other != kept) {
                names[other] = format!("{} ({})", written[other].trim().to_lowercase().replace(' ', "_"), other + 1);
            }
        }
    }
    names
}

/// Rows with their line numbers (header = 1); empty cells are left out.
pub fn read(whole: &str) -> Result<Vec<(usize, Map<String, Value>)>, String> {
    // the reader would take the rest of the file as one cell and say nothing
    if !whole.matches('"').count().is_multiple_of(2) {
        return Err("a quote (\") is opened and never closed: the file seems cut off; export it again".into());
    }
    let first = whole.lines().next().unwrap_or("");
    let comma = if first.matches(';').count() > first.matches(',').count() { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(comma).flexible(true).trim(csv::Trim::All).from_reader(whole.as_bytes());
    let names: Vec<String> = reader.headers().map_err(|error| format!("the CSV is broken: {error}"))?.iter().map(str::to_owned).collect();
    let names = columns(&names);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("the CSV is broken: {error}"))?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        let row: Map<String, Value> = names
            .iter()
            .zip(record.iter())
            .filter(|(_, cell)| !cell.is_empty())
            // a leading ' is how exports keep spreadsheets from running a cell
            .map(|(name, cell)| (name.clone(), Value::String(cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(cell).to_owned())))
            .collect();
        if !row.is_empty() {
            rows.push((line, row));
        }
    }
    Ok(rows)
}

/// A cell as words; `None` when it is empty or not there.
pub fn words(row: &Map<String, Value>, name: &str) -> Option<String> {
    match row.get(name)? {
        Value::String(words) => Some(words.trim().to_owned()).filter(|words| !words.is_empty()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_their_usual_names() {
        let named = |head: &str| columns(&head.split(',').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(named("Nama Lengkap,No. HP,Alamat"), ["name", "phone", "address"]);
        assert_eq!(named("Nama,No HP,No WA"), ["name", "no_hp_(2)", "phone"].map(|name| name.replace("_(", " (")));
        assert_eq!(named("phone,nomor,harga"), ["phone", "nomor (2)", "price_idr"]);
    }
}
