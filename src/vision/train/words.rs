//! What the drawn lines say: words, names, numbers, prices, in the scripts that a font can write.

use super::{dice::Dice, fonts::Scripts};

const LATIN: &str = "the of and to in for is on that by this with you it not or be are from at as your all have new more an was we will home can us about if page my has search free but our one other do no information time they site he up may what which their news out use any there see only so his when contact here business who web also now help get view online first been would how were services some these click its like service than find price date back top people had list name just over state year day into email two health world next used go work last most products music buy data make them should product system post her city add policy number such please available copyright support message after best software then good video well where info rights public books high school through each links she review years order very privacy book items company read group need many user said does set under general research university january mail full map reviews program life know games way days management part could great united hotel real item international center must store travel comments made development report off member details line terms before hotels did send right type because local those using results office education national car design take posted internet address community within states area want phone shipping reserved subject between forum family long based code show even black check special prices website index being women much sign file link open today technology south case project same pages version section own found sports house related security both county american photo game members power while care network down computer systems three total place end following download him without per access think north resources current posts big media law control water history pictures size art personal since including guide shop directory board location change white text small rating rate government children during return students shopping account times sites level digital profile previous form events love old john main call hours image department title description insurance another why shall property class still money quality every listing content country private little visit save tools low reply customer december compare movies include college value article york man card jobs provide food source author different press learn sale around print course job canada process teen room stock training too credit point join science men categories advanced west sales look english left team estate box conditions select windows photos gay thread week category note live large gallery table register however june october november market library really action start series model features air industry plan human provided required second accessories cost movie forums march september better say questions july yahoo going medical test friend come dec server study application cart staff articles feedback again play looking issues april never users complete street topic comment financial things working against standard tax person below mobile less got blog party payment equipment login student let programs offers legal above recent park stores side act problem red give memory performance social august quote language story sell options experience rates create key body young america important field few east paper single activities club example girls additional password latest something road gift question changes night hard texas four poker status browse issue range building seller court february always result audio light write war offer blue groups easy given files event release analysis request china making picture needs possible might professional yet month major star areas future space committee hand sun cards problems london washington meeting become interest id child keep enter california share similar garden schools million added reference companies listed baby learning energy run delivery net popular term film stories put computers journal reports try welcome central images president notice god original head radio until cell color self council away includes track";
const ACCENTED: &str = "für über größe straße müller menü änderung lösung weiß können prüfung où été français garçon élève crème forêt naïve señor mañana año información dirección corazón médico já não coração ação pão ligação às östlig århus smørrebrød blåbær näytä hyvää päivä příliš žluťoučký kůň zażółć gęślą jaźń łódź şehir çağrı ığdır știință țară größte Ärzte Übersicht École Ángel";
const CYRILLIC: &str = "привет мир время который человек работа день жизнь вопрос сторона страна место случай город деньги вода счёт оплата номер адрес дата улица заказ товар цена итого Москва Россия система группа развитие процесс общество";
const GREEK: &str =
    "καλημέρα κόσμος χρόνος ημέρα νερό πόλη δρόμος αριθμός τιμή σύνολο λογαριασμός διεύθυνση όνομα Ελλάδα Αθήνα εργασία ζωή";
const HAN: &str = "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏兴切";
const KANA: &str = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをんアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲンー";
const HANGUL: &str = "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후그는들를리미비시이지치키티피히한국인대학생일년월시간사람회사제품가격주문합계전화번호주소서울부산";

/// How the words of one scene look: its script, and whether it likes capitals.
#[derive(Clone, Copy, Debug)]
pub enum Script {
    /// Plain letters.
    Latin,
    /// Letters with marks among plain ones.
    Accented,
    /// Russian.
    Cyrillic,
    /// Greek.
    Greek,
    /// No spaces: Chinese, perhaps with Japanese syllables.
    Han {
        /// With syllables among the characters.
        kana: bool,
    },
    /// Korean.
    Hangul,
}

impl Script {
    /// One that the font has, mostly Latin unless the font writes an Asian script.
    pub fn pick(dice: &mut Dice, can: Scripts) -> Self {
        if can.han && dice.chance(0.7) {
            return Self::Han { kana: can.kana && dice.chance(0.5) };
        }
        if can.hangul && dice.chance(0.7) {
            return Self::Hangul;
        }
        match dice.int(0, 19) {
            0 | 1 if can.cyrillic => Self::Cyrillic,
            2 if can.greek => Self::Greek,
            3..=7 if can.accents => Self::Accented,
            _ => Self::Latin,
        }
    }

    /// One word, not empty.
    pub fn word(self, dice: &mut Dice) -> String {
        match self {
            Self::Latin => one_of(dice, LATIN),
            Self::Accented if dice.chance(0.4) => one_of(dice, ACCENTED),
            Self::Accented => one_of(dice, LATIN),
            Self::Cyrillic => one_of(dice, CYRILLIC),
            Self::Greek => one_of(dice, GREEK),
            Self::Hangul => characters(dice, HANGUL, 1, 4),
            Self::Han { kana } => {
                let from = if kana && dice.chance(0.5) { KANA } else { HAN };
                characters(dice, from, 1, 5)
            }
        }
    }

    /// A run of words of about `length` characters, with numbers and punctuation as running text has them.
    pub fn sentence(self, dice: &mut Dice, length: usize) -> String {
        let mut text = String::new();
        let spaced = !matches!(self, Self::Han { .. });
        while text.chars().count() < length {
            if !text.is_empty() && (spaced || dice.chance(0.04)) {
                text.push(' ');
            }
            let word = if dice.chance(0.06) { number(dice) } else { self.word(dice) };
            text.push_str(&if dice.chance(0.12) { capital(&word) } else { word });
            if dice.chance(0.08) {
                text.push(*dice.pick(&[',', '.', ',', ';', ':', '!', '?']));
            }
        }
        capital(&text)
    }

    /// A caption of one to three words, as on buttons, fields and headings.
    pub fn caption(self, dice: &mut Dice) -> String {
        let words: Vec<String> = (0..dice.int(1, 3)).map(|_| self.word(dice)).collect();
        let text = words.join(if matches!(self, Self::Han { .. }) { "" } else { " " });
        match dice.int(0, 3) {
            0 => text.to_uppercase(),
            1 => words.iter().map(|word| capital(word)).collect::<Vec<_>>().join(" "),
            _ => capital(&text),
        }
    }
}

fn one_of(dice: &mut Dice, list: &str) -> String {
    let words: Vec<&str> = list.split(' ').collect();
    (*dice.pick(&words)).to_owned()
}

fn characters(dice: &mut Dice, from: &str, low: i32, high: i32) -> String {
    let all: Vec<char> = from.chars().collect();
    (0..dice.int(low, high)).map(|_| *dice.pick(&all)).collect()
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Digits, a date, a time, a price, a share, an order number: whatever is not a word.
pub fn number(dice: &mut Dice) -> String {
    let mut d = |low, high| dice.int(low, high);
    match d(0, 9) {
        0 => format!("{:02}.{:02}.20{:02}", d(1, 28), d(1, 12), d(10, 29)),
        1 => format!("20{:02}-{:02}-{:02}", d(10, 29), d(1, 12), d(1, 28)),
        2 => format!("{:02}:{:02}", d(0, 23), d(0, 59)),
        3 => format!("${}.{:02}", d(0, 999), d(0, 99)),
        4 => format!("{},{:02} EUR", d(0, 999), d(0, 99)),
        5 => format!("{}%", d(0, 100)),
        6 => format!("{}", d(0, 9)),
        7 => format!("{},{:03}", d(1, 999), d(0, 999)),
        8 => format!("#{:06}", d(0, 999_999)),
        _ => format!("{}", d(10, 9999)),
    }
}

/// Letters and digits without meaning, as in article and tracking numbers.
pub fn reference(dice: &mut Dice, length: usize) -> String {
    (0..length).map(|_| *dice.pick(b"ABCDEFGHKLMNPRSTUVXYZ0123456789012345678901234567890123456789") as char).collect()
}

/// An address of a page, a mailbox or a telephone.
pub fn contact(dice: &mut Dice) -> String {
    let (a, b) = (one_of(dice, LATIN), one_of(dice, LATIN));
    match dice.int(0, 3) {
        0 => format!("https://www.{a}-{b}.com/{}", dice.int(1, 999)),
        1 => format!("{a}.{b}@{b}.org"),
        2 => format!("+{} {} {:03} {:04}", dice.int(1, 99), dice.int(100, 999), dice.int(0, 999), dice.int(0, 9999)),
        _ => format!("www.{a}{b}.net"),
    }
}
