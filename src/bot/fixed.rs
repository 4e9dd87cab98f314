//! Texts without live package data: what is said when a person takes over, thanks, papers, who we are.

use super::reply::t;
use crate::kernel::hours::Hours;
use crate::kernel::language::Language;
use crate::travel::package::Package;

/// "Did you mean …?"
pub fn did_you_mean(package: &Package, lang: Language) -> String {
    match lang {
        Language::Id => format!("Assalamualaikum! Maksud Bapak/Ibu kode *{}* ({})? Balas *ya* jika benar, atau tuliskan kodenya sekali lagi.", package.code, package.name),
        Language::En => format!("Assalamualaikum! Did you mean the code *{}* ({})? Reply *yes* if so, or write the code once more.", package.code, package.name),
    }
}

/// Texts without any package in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// Nothing fits: a person will answer.
    General,
    /// A person was asked for.
    Human,
    /// Wants to pay or register.
    Payment,
    /// Wants to pay or register, and has said so before.
    PaymentAgain,
    /// Wants to know how paying goes, and not to pay.
    TermsLater,
    /// Brings a baby, whose price no row tells.
    InfantPrice,
    /// Nods at what was said.
    Nod,
    /// Has seen another price in an advert.
    PriceChecked,
    /// Wants a seat of a full package when one comes free.
    WaitingList,
    /// Wants to book a package that cannot be booked.
    BookElsewhere,
    /// Asked how paying goes, and was told.
    NothingDue,
    /// Is not happy.
    Complaint,
    /// Haggles.
    Negotiate,
    /// Cancels.
    Cancel,
    /// Says to have paid.
    Paid,
    /// Sent a file.
    File,
    /// Sent a voice note.
    Voice,
    /// Sent a place.
    Place,
    /// Sent somebody's contact card.
    Card,
    /// Sent what opens once, and not here.
    ViewOnce,
    /// Sent a message without anything in it.
    Empty,
    /// Said thanks.
    Thanks,
    /// Said STOP.
    Stop,
    /// Which package is meant?
    WhichPackage,
    /// Wants to talk it over, or to compare, first.
    TakesTime,
    /// Asked how things stand with what they have booked.
    OwnBooking,
    /// The account the customer names is not the agency's.
    ForeignAccount,
    /// It is.
    OurAccount,
    /// What is kept of them is asked for, or to be deleted.
    DataRequest,
    /// A person sends the account; no other is to be trusted.
    Account,
    /// Noted, nothing to add.
    Noted,
    /// What papers one needs.
    Documents,
    /// How was it, one to five?
    Rate,
    /// Thanks for the score.
    Rated,
}

/// When somebody is in the office.
#[derive(Clone, Debug, PartialEq)]
pub struct Office {
    /// Opens and closes, `HH.MM`.
    open: String,
    close: String,
    /// Working days in order, 0 Monday to 6 Sunday.
    days: Vec<usize>,
}

impl Office {
    /// The office hours in words later.
    pub fn of(hours: &Hours) -> Self {
        let time = |time: chrono::NaiveTime| time.format("%H.%M").to_string();
        Self { open: time(hours.open), close: time(hours.close), days: hours.days.iter().map(|day| *day as usize - 1).collect() }
    }

    fn line(&self, lang: Language) -> String {
        const ID: [&str; 7] = ["Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"];
        const EN: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let names = if lang == Language::En { EN } else { ID };
        let in_a_row = self.days.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let days = match self.days[..] {
            [] => String::new(),
            _ if self.days.len() == 7 => t(lang, "setiap hari", "every day").to_owned(),
            [first, .., last] if in_a_row && self.days.len() > 2 => format!("{}–{}", names[first], names[last]),
            _ => self.days.iter().map(|day| names[*day]).collect::<Vec<_>>().join(", "),
        };
        format!("{}: {days} {}–{}", t(lang, "Jam kerja", "Office hours"), self.open, self.close)
    }
}

/// Licence and office, as far as the agency has told them, and how anybody can check.
pub fn company(agency: &str, licence: &str, address: &str, office: Option<&Office>, lang: Language) -> String {
    let mut lines = vec![match lang {
        Language::Id => format!("*{agency}* adalah penyelenggara perjalanan umroh."),
        Language::En => format!("*{agency}* organises umrah journeys."),
    }];
    if !licence.is_empty() {
        lines.push(format!("{}: {licence}", t(lang, "Nomor izin PPIU", "PPIU licence number")));
    }
    if !address.is_empty() {
        lines.push(format!("{}: {address}", t(lang, "Kantor", "Office")));
    }
    lines.extend(office.map(|office| office.line(lang)));
    lines.push(
        t(
            lang,
            "Izin setiap travel umroh bisa dicek sendiri di situs dan aplikasi resmi Kementerian Agama. Kalau Bapak/Ibu ingin melihat dokumen kami atau datang ke kantor, balas *minta admin*; tim kami membantu di chat ini.",
            "Every umrah agency's licence can be checked on the official site and app of the Indonesian Ministry of Religious Affairs. If you would like to see our papers or visit us, reply *talk to admin* and our team will help in this chat.",
        )
        .to_owned(),
    );
    lines.join("\n")
}

/// A text without any package in it.
pub fn fixed(which: Fixed, lang: Language) -> &'static str {
    match which {
        Fixed::General => t(
            lang,
            "Terima kasih atas pertanyaannya, Bapak/Ibu. Supaya jawabannya tepat, kami teruskan ke tim kami dan akan dijawab di chat ini sesegera mungkin.",
            "Thank you for your question. To be sure of the right answer we have passed it on to our team; they will reply in this chat as soon as possible.",
        ),
        Fixed::Human => {
            t(lang, "Baik, Bapak/Ibu. Chat ini kami sambungkan ke tim kami; mohon ditunggu sebentar.", "Of course. We are connecting you with our team; one moment, please.")
        }
        Fixed::Payment => t(
            lang,
            "Alhamdulillah. Untuk pendaftaran dan pembayaran, tim kami akan membantu langsung di chat ini. Demi keamanan, mohon hanya membayar ke rekening yang dikirim oleh tim kami di sini.",
            "Alhamdulillah. For registration and payment our team will help you right here in this chat. For your safety, please pay only to the account our team sends you here.",
        ),
        Fixed::PaymentAgain => t(
            lang,
            "Baik, Bapak/Ibu. Permintaan ini sudah ada di tim kami dan dilanjutkan di chat ini; mohon ditunggu. Kalau masih ada yang ingin ditanyakan tentang paketnya, silakan.",
            "Noted. Your request is with our team, who will continue in this chat; one moment, please. If you still have questions about the package, just ask.",
        ),
        Fixed::TermsLater => t(
            lang,
            "Belum perlu membayar apa pun, Bapak/Ibu. Besaran DP, cara bayar dan batas pelunasan tiap paket disampaikan tim kami sebelum mendaftar; kalau ingin tahu sekarang, balas *minta admin*.",
            "There is nothing to pay yet. Our team tells you the down payment, the ways to pay and the deadline of a package before you register; to hear them now, reply *talk to admin*.",
        ),
        Fixed::InfantPrice => t(
            lang,
            "Hitungan berikut belum termasuk bayi. Harga untuk bayi disampaikan tim kami saat pendaftaran.",
            "The totals below do not include the baby; our team will tell you the infant price when you register.",
        ),
        Fixed::Nod => t(lang, "Siap, Bapak/Ibu 🙏 Kalau ada yang ingin ditanyakan, tulis saja di sini.", "Glad to help 🙏 If there is anything else, just write here."),
        Fixed::PriceChecked => t(
            lang,
            "Itu harga yang berlaku di data kami saat ini. Soal harga yang Bapak/Ibu lihat di tempat lain, tim kami memeriksanya dan menjawab di chat ini.",
            "That is the price in our data right now. As for the price you saw elsewhere, our team will check it and answer in this chat.",
        ),
        Fixed::WaitingList => t(
            lang,
            "Kursi paket ini sedang penuh. Permintaan daftar tunggu Bapak/Ibu sudah kami teruskan; tim kami akan mengabari di chat ini.",
            "This package is full at the moment. We have passed your wish for the waiting list on to our team; they will let you know in this chat.",
        ),
        Fixed::BookElsewhere => t(
            lang,
            "Keinginan Bapak/Ibu untuk mendaftar sudah kami teruskan; tim kami akan membantu memilih paket lain di chat ini. Mohon belum membayar apa pun.",
            "We have passed your wish to book on to our team; they will help you choose another package in this chat. Please do not pay anything yet.",
        ),
        Fixed::NothingDue => t(
            lang,
            "Belum perlu membayar apa pun sekarang. Kalau sudah siap mendaftar, tulis saja di sini.",
            "There is nothing to pay now. When you are ready to register, just write here.",
        ),
        Fixed::Complaint => t(
            lang,
            "Mohon maaf atas ketidaknyamanannya, Bapak/Ibu. Kami sampaikan sekarang juga ke tim kami agar segera ditangani.",
            "We are sorry for the inconvenience. We are passing this on to our team right now so that they can look into it.",
        ),
        Fixed::Negotiate => t(
            lang,
            "Terima kasih, Bapak/Ibu. Soal harga khusus akan dijawab langsung oleh tim kami di chat ini.",
            "Thank you. Our team will answer about special prices here in this chat.",
        ),
        Fixed::Cancel => t(
            lang,
            "Baik, Bapak/Ibu. Soal pembatalan dan pengembalian dana akan dijelaskan langsung oleh tim kami di chat ini.",
            "Understood. Our team will answer about cancellation and refunds here in this chat.",
        ),
        Fixed::Paid => t(
            lang,
            "Terima kasih, Bapak/Ibu. Tim kami akan memeriksa pembayarannya dan mengabari di chat ini.",
            "Thank you. Our team will check the payment and let you know in this chat.",
        ),
        Fixed::File => t(
            lang,
            "Terima kasih, berkasnya sudah kami terima. Tim kami akan memeriksanya dan mengabari Bapak/Ibu di chat ini.",
            "Thank you, we have received your file. Our team will check it and let you know in this chat.",
        ),
        Fixed::Voice => t(
            lang,
            "Terima kasih, pesan suaranya sudah kami terima. Tim kami akan mendengarkan dan menjawab di chat ini.",
            "Thank you, we have received your voice message. Our team will listen to it and reply in this chat.",
        ),
        Fixed::Place => {
            t(lang, "Terima kasih, lokasinya sudah kami terima. Tim kami akan menjawab di chat ini.", "Thank you, we have received the location. Our team will reply in this chat.")
        }
        Fixed::Card => t(
            lang,
            "Terima kasih, kontaknya sudah kami terima. Tim kami akan menindaklanjuti di chat ini.",
            "Thank you, we have received the contact. Our team will follow up in this chat.",
        ),
        Fixed::ViewOnce => t(
            lang,
            "Mohon maaf, foto sekali lihat tidak bisa kami buka di sini. Silakan dikirim ulang sebagai foto biasa, ya.",
            "We are sorry, a view-once photo cannot be opened here. Please send it again as an ordinary photo.",
        ),
        Fixed::Empty => t(lang, "Pesannya kosong di tempat kami. Silakan ditulis sekali lagi, Bapak/Ibu.", "Your message arrived empty. Please write it once more."),
        Fixed::Thanks => t(lang, "Sama-sama, Bapak/Ibu. Semoga dimudahkan niat umrohnya 🤲", "You are most welcome. May your journey be made easy 🤲"),
        Fixed::Stop => t(
            lang,
            "Baik, kami tidak akan mengirim info promo lagi ke nomor ini. Jika suatu saat butuh bantuan, silakan tulis di sini kapan saja.",
            "Understood, we will not send promotions to this number any more. If you need anything, write to us here at any time.",
        ),
        Fixed::Noted => t(
            lang,
            "Baik, Bapak/Ibu, kami catat. Kalau ada yang ingin ditanyakan lagi, silakan tulis di sini.",
            "Noted, thank you. If you have any further questions, just write to us here.",
        ),
        Fixed::Documents => t(
            lang,
            "Untuk umroh biasanya disiapkan:\n• Paspor asli yang masih berlaku minimal 7 bulan saat berangkat\n• KTP dan Kartu Keluarga\n• Pas foto terbaru\n• Buku nikah bagi suami istri, akta lahir bagi anak\n• Kartu vaksin meningitis\n\nSyarat rincinya mengikuti aturan saat keberangkatan; tim kami akan memeriksa berkasnya satu per satu.",
            "For umrah you usually prepare:\n• A passport valid for at least 7 months at departure\n• Identity card and family card\n• A recent photo\n• Marriage book for couples, birth certificate for children\n• Meningitis vaccination card\n\nThe exact requirements follow the rules at the time of departure; our team checks every paper with you.",
        ),
        Fixed::Rate => t(
            lang,
            "Bagaimana pelayanan kami barusan, Bapak/Ibu? Mohon balas dengan satu angka: 1 (mengecewakan) sampai 5 (sangat puas).",
            "How was our service just now? Please reply with one number: 1 (disappointing) to 5 (very satisfied).",
        ),
        Fixed::Rated => t(lang, "Terima kasih atas penilaiannya, Bapak/Ibu 🤲", "Thank you for your rating 🤲"),
        Fixed::ForeignAccount => t(
            lang,
            "Mohon *jangan transfer* ke rekening itu: nomornya tidak ada di daftar rekening resmi kami. Tim kami segera memeriksa dan mengirim rekening yang benar di chat ini.",
            "Please *do not transfer* to that account: it is not one of our official accounts. Our team is checking at once and will send the right one in this chat.",
        ),
        Fixed::OurAccount => t(
            lang,
            "Ya, nomor itu rekening resmi kami. Sebelum transfer, mohon cocokkan juga nama pemiliknya; tim kami mendampingi di chat ini.",
            "Yes, that number is one of our official accounts. Before you transfer, please check the holder's name too; our team will help in this chat.",
        ),
        Fixed::TakesTime => t(
            lang,
            "Baik, Bapak/Ibu, silakan dibicarakan dulu. Kalau ada yang ingin ditanyakan lagi, tulis saja di chat ini.",
            "Of course, please take your time. Whenever you have another question, write to us here.",
        ),
        Fixed::OwnBooking => t(
            lang,
            "Baik, kami periksa dulu data pendaftaran Bapak/Ibu. Tim kami mengabari di chat ini.",
            "We will look it up in your booking; our team will tell you in this chat.",
        ),
        Fixed::DataRequest => t(
            lang,
            "Baik, kami tidak akan mengirim promo lagi. Permintaan tentang data pribadi Bapak/Ibu kami teruskan ke penanggung jawab data dan akan dijawab di chat ini.",
            "Understood, we will send no more promotions. Your request about your personal data has been passed on to the person responsible; they will reply in this chat.",
        ),
        Fixed::Account => t(
            lang,
            "Tim kami akan mengirim rekening resmi dan membantu pembayarannya di chat ini. Demi keamanan, mohon jangan membayar ke rekening lain.",
            "Our team will send the official account and help with the payment in this chat. For your safety, please do not pay to any other account.",
        ),
        Fixed::WhichPackage => t(lang, "Untuk paket yang mana, Bapak/Ibu?", "Which package do you mean?"),
    }
}
