//! `lensmeter train`: draws pictures, trains the built-in detector on them, measures it.

use std::{fs, path::PathBuf, time::Duration};

use clap::Args as Clap;

use crate::vision::{
    ModelInfo, registry,
    torch::{Torch, device},
    train::{calibrate, eval, mix, pages, run as training, scene},
};

/// Scenes that confidences are calibrated on.
const CALIBRATION: u64 = 200;

/// After this share of the time only the second look is trained.
const SETTLE: f64 = 0.85;

/// Train the built-in detector on pictures that this command draws
///
/// The run takes as long as you give it, and accuracy still grows with it: on one core with AVX512-BF16 a picture takes
/// about 45 ms, so 90 minutes see some 100 000 pictures; without AVX512-BF16 expect twice the time. A stopped run goes on
/// from its last checkpoint, at most three minutes old, when it is started again with the same folder; the length counts
/// all its parts together.
///
/// Fonts are taken from /usr/share/fonts and shape what the detector can read. On Debian 12 the shipped weights saw:
/// fonts-adf-baskervald fonts-adf-universalis fonts-anonymous-pro fonts-averia-sans-gwf fonts-b612 fonts-bebas-neue
/// fonts-cabin fonts-cantarell fonts-clear-sans fonts-comfortaa fonts-comic-neue fonts-courier-prime fonts-croscore
/// fonts-crosextra-caladea fonts-crosextra-carlito fonts-dancingscript fonts-dejavu fonts-dosis fonts-fantasque-sans
/// fonts-firacode fonts-freefont-ttf fonts-hack fonts-inconsolata fonts-ipaexfont-gothic fonts-ipaexfont-mincho
/// fonts-jetbrains-mono fonts-junction fonts-junicode fonts-karla fonts-league-spartan fonts-liberation fonts-linuxlibertine
/// fonts-lobster fonts-manrope fonts-noto-cjk fonts-noto-mono fonts-play fonts-quicksand fonts-roboto-slab
/// fonts-roboto-unhinted fonts-sil-andika fonts-sil-gentiumplus fonts-sora fonts-urw-base35 fonts-vollkorn
/// fonts-wqy-microhei fonts-yanone-kaffeesatz. Measuring uses families that training leaves out: fonts-ebgaramond
/// fonts-inter fonts-lato fonts-mononoki fonts-nanum fonts-ocr-b fonts-open-sans fonts-paratype fonts-sil-charis
/// fonts-takao-gothic. The codes of those scenes come from zint, qrencode and iec16022 where they are installed, which
/// training does not use; without them, from training's own encoders.
#[derive(Clap)]
pub struct Args {
    /// Where checkpoint, log, curve and weights go
    #[arg(long, default_value = "target/elements")]
    folder: PathBuf,
    /// Minutes of the whole run
    #[arg(long, default_value_t = 90.)]
    minutes: f64,
    /// Threads that compute; more than 1 pays only on idle cores
    #[arg(long, default_value_t = 1)]
    threads: i32,
    /// Threads that draw
    #[arg(long, default_value_t = 1)]
    drawers: usize,
    /// Pictures of one step
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Begin with these weights instead of chance, of this network with as many classes or fewer
    #[arg(long, value_name = "WEIGHTS")]
    from: Option<PathBuf>,
    /// Highest learning rate; half of it is enough when beginning with trained weights
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Train nothing: take the mean of the weights of --from and of these, which began with the same ones, and measure it
    #[arg(long, value_name = "WEIGHTS", requires = "from", conflicts_with = "measure")]
    mix: Option<PathBuf>,
    /// How much of the mean is --mix, the rest is --from
    #[arg(long, default_value_t = 0.5, requires = "mix", value_parser = share)]
    share: f64,
    /// Where fonts are found
    #[arg(long, default_value = "/usr/share/fonts")]
    fonts: PathBuf,
    /// Pictures to measure on
    #[arg(long, default_value_t = 300)]
    pictures: u64,
    /// Train nothing: measure the model whose model.toml this is
    #[arg(long, value_name = "MODEL.TOML")]
    measure: Option<PathBuf>,
    /// Measure on the pages of this folder too, and on simulated photos of them; `tests/pages/make` draws such pages
    #[arg(long, value_name = "FOLDER")]
    pages: Option<PathBuf>,
    /// Train nothing: draw this many scenes with their boxes into the folder, to look at
    #[arg(long, value_name = "COUNT")]
    show: Option<u64>,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0. ..=1.).contains(share)).ok_or_else(|| "a number from 0 to 1 is wanted, like 0.35".into())
}

/// Trains, then measures; or only one of the other two things.
pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(count) = args.show {
        return show(&args, count);
    }
    let manifest = args.measure.clone().unwrap_or_else(|| "models/elements/1/model.toml".into());
    let mut model = registry::read(&manifest)?;
    if let (Some(mix), Some(from)) = (&args.mix, &args.from) {
        fs::create_dir_all(&args.folder)?;
        model.weights = args.folder.join("weights.safetensors");
        mix::mix(from, mix, args.share, &model.weights)?;
        println!("weights: {}", model.weights.display());
    } else if args.measure.is_none() {
        model.weights = training::run(training::RunOptions {
            folder: args.folder.clone(),
            fonts: args.fonts.clone(),
            length: Duration::from_secs_f64(args.minutes * 60.),
            checkpoint: Duration::from_secs(180),
            threads: args.threads,
            drawers: args.drawers,
            batch: args.batch,
            from: args.from.clone(),
            rate: args.rate,
            settle: SETTLE,
        })?;
        println!("weights: {}", model.weights.display());
        let report = calibrate::measure(&mut open(&args, &model)?, &model, &args.fonts, CALIBRATION)?;
        calibrate::apply(&report, &model.weights)?;
    }
    let mut backend = open(&args, &model)?;
    let report = eval::held_out(&mut backend, &model, &args.fonts, args.pictures)?;
    println!("held-out scenes: {}", report.table());
    if let Some(folder) = &args.pages {
        let all = pages::open(folder)?;
        let photos = pages::photos(&all);
        println!("pages: {}", eval::measure(&mut backend, &model, all.into_iter())?.table());
        println!("photos of them: {}", eval::measure(&mut backend, &model, photos.into_iter())?.table());
    }
    Ok(())
}

fn open(args: &Args, model: &ModelInfo) -> anyhow::Result<Torch> {
    let threads = args.threads.unsigned_abs() as usize;
    Torch::load(model, device::choose("cpu")?, threads).map_err(|problems| anyhow::anyhow!(problems.join("\n")))
}

fn show(args: &Args, count: u64) -> anyhow::Result<()> {
    fs::create_dir_all(&args.folder)?;
    for path in scene::show(&args.fonts, &args.folder, count)? {
        println!("{}", path.display());
    }
    Ok(())
}
