//! What understanding one message costs. `cargo bench`

use divan::Bencher;
use kafilah::bot::understand::{self, tongue, words};

const MESSAGES: [&str; 6] = [
    "p",
    "brp harga umroh bln maret ka, 2 org dr sby",
    "Bismillah, fix ikut yg ramadhan ya. transfer ke rek mana?",
    "Kulo badhe tanglet, paket umroh wulan April pinten nggih regine?",
    "Is the hotel walking distance to Haram? My parents are in wheelchairs",
    "assalamualaikum saya ibu ratna dari depok mau tanya apakah untuk bulan januari masih bisa dan untuk hotelnya apakah dekat dengan masjid terus kalau mau daftar caranya bagaimana ya terima kasih",
];

fn main() {
    divan::main();
}

#[divan::bench(args = MESSAGES)]
fn whole_message(bencher: Bencher, text: &str) {
    let today = "2026-11-20".parse().expect("a date");
    bencher.bench(|| understand::understand(text, false, false, false, today));
}

#[divan::bench(args = MESSAGES)]
fn words_and_ideas(bencher: Bencher, text: &str) {
    bencher.bench(|| words::read(text));
}

#[divan::bench(args = MESSAGES)]
fn language(bencher: Bencher, text: &str) {
    bencher.bench(|| tongue::detect(text));
}

/// The pasted novel must not hold up the next customer.
#[divan::bench]
fn sixty_four_kilobytes(bencher: Bencher) {
    let text = "mau tanya harga umroh bulan maret untuk dua orang ".repeat(1_300);
    let today = "2026-11-20".parse().expect("a date");
    bencher.bench(|| understand::understand(&text, false, false, false, today));
}
