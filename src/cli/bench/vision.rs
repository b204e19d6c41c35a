//! `lensmeter bench vision`: the price of everything around the model.

use std::fmt::Write as _;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use image::{ImageFormat, Rgb, RgbImage};
use reqwest::Client;
use reqwest::multipart::{Form, Part};

use super::house::{self, House};
use super::load::{self, Make, Outcome, Shape};
use super::peer::{self, Peer};
use crate::vision::backend::{Backend, Frame};
use crate::vision::decode::{self, DecodeLimits};
use crate::vision::{preprocess, registry, torch};

/// ImageNet's means, deviations and sizes, as torchvision's transforms have them.
const MANIFEST: &str = r#"
task = "classify"
architecture = "torchscript"
weights = "resnet18.pt"
description = "ResNet-18 with random weights, for measurements."
precision = "PRECISION"
CLASSES

[input]
resize = "crop"
shorter = 256
side = 224
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[limits]
batch = 8
queue = QUEUE
"#;

/// Options of `lensmeter bench vision`.
#[derive(clap::Args)]
pub struct Args {
    /// Connections that send at once; the queue takes as many
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Times that each is measured, in turn; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leave out the peers
    #[arg(long)]
    alone: bool,
}

/// What is measured in turn.
struct Contestant {
    name: &'static str,
    run: Run,
    /// Answers a second, one for each round.
    rates: Vec<f64>,
    last: Option<Outcome>,
}

/// The two models: as the peers compute, and as an operator may let it compute. The second is not frozen: what is, keeps its
/// precision.
const PRECISIONS: [(&str, &str); 2] = [("resnet18", "float32"), ("resnet18-auto", "auto")];

enum Run {
    /// The network on frames that are ready, in this process: what nobody can beat on one thread.
    Bare(Box<dyn Backend>, Vec<Frame>),
    Served(Make),
}

/// Measures and prints.
///
/// # Errors
/// When the model cannot be made (Python with torch is missing) or the server does not start.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let models = std::env::temp_dir().join(format!("lensmeter-bench-models-{}", std::process::id()));
    let result = measure(&args, &models).await;
    drop(fs::remove_dir_all(&models));
    result
}

async fn measure(args: &Args, models: &Path) -> anyhow::Result<()> {
    let [float, auto] = make_models(models, args.connections)?;
    let pictures: Arc<Vec<Bytes>> = Arc::new((0..16).map(picture).collect());
    // One thread of compute, as the bare loop and the peers have.
    let house = house::start(models, 1, &[("LENSMETER_WORKERS", "1".to_owned())]).await?;
    let script = float.with_file_name("resnet18.pt");
    let mut contestants = vec![
        Contestant::new("bare forward loop, float32", bare(&float, &pictures)?),
        Contestant::new("Lensmeter, float32", Run::Served(ours(&house, &pictures, PRECISIONS[0].0))),
        Contestant::new("bare forward loop, precision = auto", bare(&auto, &pictures)?),
        Contestant::new("Lensmeter, precision = auto", Run::Served(ours(&house, &pictures, PRECISIONS[1].0))),
    ];
    let mut peers: Vec<Peer> = Vec::new();
    if !args.alone {
        for (name, file, make) in [("LitServe", "litserve_torch.py", form as Body), ("FastAPI + torch", "fastapi_torch.py", raw as Body)] {
            match peer::serve(file, &script).await {
                Ok(peer) => {
                    contestants.push(Contestant::new(name, Run::Served(theirs(&peer, &pictures, make))));
                    peers.push(peer);
                }
                Err(error) => eprintln!("{name} is left out: {error:#}"),
            }
        }
    }
    let shape = Shape { connections: args.connections, warm_up: Duration::from_secs(3), length: Duration::from_secs(args.seconds) };
    for round in 1..=args.rounds {
        for contestant in &mut contestants {
            contestant.measure(shape).await?;
            eprintln!("round {round}: {:>7.1}/s  {}", contestant.rates[round - 1], contestant.name);
        }
    }
    println!("{}", table(&contestants, args));
    let before = house.resident();
    let over = Shape { connections: 4 * args.connections, ..shape };
    let crowd = load::run(ours(&house, &pictures, PRECISIONS[0].0), over).await?;
    println!("{}", overload(&crowd, contestants[1].last.as_ref(), over.connections, before, house.resident()));
    Ok(())
}

impl Contestant {
    fn new(name: &'static str, run: Run) -> Self {
        Self { name, run, rates: Vec::new(), last: None }
    }

    async fn measure(&mut self, shape: Shape) -> anyhow::Result<()> {
        match &mut self.run {
            Run::Bare(backend, frames) => {
                let (started, mut done) = (Instant::now(), 0);
                while started.elapsed() < shape.length {
                    done += backend.run(frames).map_err(anyhow::Error::msg)?.len();
                }
                self.rates.push(done as f64 / started.elapsed().as_secs_f64());
            }
            Run::Served(make) => {
                let outcome = load::run(Arc::clone(make), shape).await?;
                self.rates.push(outcome.rate());
                self.last = Some(outcome);
            }
        }
        Ok(())
    }

    fn median(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }
}

fn make_models(models: &Path, connections: usize) -> anyhow::Result<[PathBuf; 2]> {
    let classes: Vec<String> = (0..1000).map(|class| format!("\"{class}\"")).collect();
    let manifest = MANIFEST.replace("CLASSES", &format!("classes = [{}]", classes.join(", "))).replace("QUEUE", &connections.to_string());
    let folders = PRECISIONS.map(|(name, _)| models.join(name).join("1"));
    for (folder, (_, precision)) in folders.iter().zip(PRECISIONS) {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("model.toml"), manifest.replace("PRECISION", precision))?;
    }
    peer::script("resnet18.py", &folders[0])?;
    fs::rename(folders[0].join("resnet18-auto.pt"), folders[1].join("resnet18.pt"))?;
    Ok(folders.map(|folder| folder.join("model.toml")))
}

/// 640 x 480, of many colours: about 100 KB as a JPEG, like a phone's small pictures.
fn picture(number: u32) -> Bytes {
    let image = RgbImage::from_fn(640, 480, |x, y| {
        let wave = |by: u32| ((f64::from(x * by + number * 37) / 19.).sin() * (f64::from(y * by) / 23.).cos() * 90. + 128.) as u8;
        let grain = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ number) as u8 / 8;
        Rgb([wave(1).saturating_add(grain), wave(2), wave(3).saturating_sub(grain)])
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Jpeg).expect("memory takes a picture");
    bytes.into_inner().into()
}

/// Batches of 8 on one thread.
fn bare(manifest: &Path, pictures: &[Bytes]) -> anyhow::Result<Run> {
    let info = registry::read(manifest)?;
    let device = torch::device::choose("cpu")?;
    let torch = torch::Torch::load(&info, device, 1).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    let backend: Box<dyn Backend> = Box::new(torch);
    let limits = DecodeLimits::default();
    let frame =
        |bytes: &Bytes| anyhow::Ok(preprocess::prepare(&decode::decode(bytes, &limits, info.input.resize.target())?, &info.input).frame);
    let frames = pictures[..8].iter().map(frame).collect::<anyhow::Result<Vec<Frame>>>()?;
    Ok(Run::Bare(backend, frames))
}

/// The whole of it: key, limits, decoding, batch, durable commit, receipt.
fn ours(house: &House, pictures: &Arc<Vec<Bytes>>, model: &str) -> Make {
    let (url, key, pictures) = (format!("{}/v1/classify?model={model}", house.url), house.api_keys[0].clone(), Arc::clone(pictures));
    Arc::new(move |client: &Client, n| {
        let request = client.post(&url).bearer_auth(&key).header("content-type", "image/jpeg").header("cache-control", "no-cache");
        request.body(pictures[n as usize % pictures.len()].clone())
    })
}

type Body = fn(reqwest::RequestBuilder, Bytes) -> reqwest::RequestBuilder;

fn theirs(peer: &Peer, pictures: &Arc<Vec<Bytes>>, body: Body) -> Make {
    let (url, pictures) = (format!("{}/predict", peer.url), Arc::clone(pictures));
    Arc::new(move |client: &Client, n| body(client.post(&url), pictures[n as usize % pictures.len()].clone()))
}

fn raw(request: reqwest::RequestBuilder, picture: Bytes) -> reqwest::RequestBuilder {
    request.header("content-type", "image/jpeg").body(picture)
}

fn form(request: reqwest::RequestBuilder, picture: Bytes) -> reqwest::RequestBuilder {
    let length = picture.len() as u64;
    request.multipart(Form::new().part("request", Part::stream_with_length(picture, length).file_name("picture.jpg")))
}

fn table(contestants: &[Contestant], args: &Args) -> String {
    let [float, auto] = [1, 3].map(|ours| contestants[ours].median());
    let mut text = format!(
        "ResNet-18, TorchScript, one thread of compute each; {} connections, {} rounds of {} s in turn, medians\n\n\
         | server | images/s | float32 / it | auto / it | p50 ms | p99 ms | not 200 |\n|-|-|-|-|-|-|-|\n",
        args.connections, args.rounds, args.seconds
    );
    for contestant in contestants {
        let rate = contestant.median();
        let (p50, p99, refused) = match &contestant.last {
            Some(outcome) => (format!("{:.0}", outcome.quantile(0.5)), format!("{:.0}", outcome.quantile(0.99)), outcome.refused()),
            None => ("".into(), "".into(), "".into()),
        };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "| {} | {rate:.1} | {:.2} | {:.2} | {p50} | {p99} | {refused} |", contestant.name, float / rate, auto / rate);
    }
    text
}

fn overload(crowd: &Outcome, calm: Option<&Outcome>, connections: usize, before: f64, after: f64) -> String {
    let p99 = |outcome: &Outcome| outcome.quantile(0.99);
    format!(
        "Overload: {connections} connections on a queue for a quarter of them and batches of 8: {:.1} images/s, p99 of the accepted {:.0} ms (before: {:.0} ms), \
         not 200: {}; memory {before:.0} MiB before, {after:.0} MiB after",
        crowd.rate(),
        p99(crowd),
        calm.map_or(f64::NAN, p99),
        crowd.refused()
    )
}
