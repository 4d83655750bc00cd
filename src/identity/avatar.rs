//! Pictures of people: their initials as SVG, in a colour that their name decides.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The initials of a name as a data URI.
pub fn initials(name: &str) -> String {
    let letters: String = name
        .split_whitespace()
        .filter_map(|word| word.chars().find(|letter| letter.is_alphanumeric()))
        .take(2)
        .flat_map(char::to_uppercase)
        .collect();
    let letters = if letters.is_empty() { "?".to_owned() } else { letters };
    let hue = u16::from_le_bytes(blake3::hash(name.as_bytes()).as_bytes()[..2].try_into().unwrap_or_default()) % 360;
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"64\" viewBox=\"0 0 64 64\">\
         <rect width=\"64\" height=\"64\" fill=\"hsl({hue},45%,40%)\"/>\
         <text x=\"32\" y=\"33\" fill=\"#fff\" font-family=\"sans-serif\" font-size=\"28\" text-anchor=\"middle\" \
         dominant-baseline=\"middle\">{letters}</text></svg>"
    );
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(picture))
}
