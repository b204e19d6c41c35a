//! Lines out of the text mask: connected cores, their direction, and the quad that each core stands for.

/// Pixels between cells of the mask.
const STRIDE: f32 = 4.;
/// A cell at least this likely belongs to a core.
const SURE: f32 = 0.4;

/// One connected core of text.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Middle of the line, in frame pixels.
    pub middle: [f32; 2],
    /// Direction of the line, radians clockwise from the x axis, within a quarter turn either way.
    pub angle: f32,
    /// Length of the core in pixels: the line's, less a quarter of its height at each end.
    pub core: f32,
    /// Height of the line in pixels, as the thickness of its core tells it: rough for small print.
    pub high: f32,
}

impl Line {
    /// Length of the line in pixels if it is `high` pixels high.
    #[must_use]
    pub fn long(&self, high: f32) -> f32 {
        self.core + high / 2.
    }

    /// Corners of the line if it is `high` pixels high and lies `off` pixels beside its core, clockwise from its top left.
    #[must_use]
    pub fn quad(&self, high: f32, off: f32) -> [[f32; 2]; 4] {
        let [x, y] = self.middle;
        let (sin, cos) = self.angle.sin_cos();
        turned([x - off * sin, y + off * cos], self.angle, self.long(high), high)
    }
}

/// Corners of a rectangle about `middle`, clockwise from its own top left, turned by `angle`.
#[must_use]
pub fn turned([x, y]: [f32; 2], angle: f32, long: f32, high: f32) -> [[f32; 2]; 4] {
    let (sin, cos) = angle.sin_cos();
    [(-1., -1.), (1., -1.), (1., 1.), (-1., 1.)].map(|(u, v)| {
        let (a, b) = (u * long / 2., v * high / 2.);
        [x + a * cos - b * sin, y + a * sin + b * cos]
    })
}

/// The cores, and for each mask cell the number of its core.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The cores.
    pub lines: Vec<Line>,
    labels: Vec<u32>,
    columns: usize,
}

const NONE: u32 = u32::MAX;

impl Lines {
    /// Finds the cores of a mask of `columns` x `rows` cells.
    #[must_use]
    pub fn find(mask: &[f32], columns: usize, rows: usize) -> Self {
        let mut found = Self { lines: Vec::new(), labels: vec![NONE; columns * rows], columns };
        let mut stack = Vec::new();
        for start in 0..columns * rows {
            if mask[start] < SURE || found.labels[start] != NONE {
                continue;
            }
            let number = found.lines.len() as u32;
            let mut core = Core::default();
            found.labels[start] = number;
            stack.push(start);
            while let Some(at) = stack.pop() {
                let (x, y) = (at % columns, at / columns);
                core.add(x as f64, y as f64);
                let neighbours = [
                    (x > 0).then(|| at - 1),
                    (x + 1 < columns).then(|| at + 1),
                    (y > 0).then(|| at - columns),
                    (y + 1 < rows).then(|| at + columns),
                ];
                for next in neighbours.into_iter().flatten() {
                    if mask[next] >= SURE && found.labels[next] == NONE {
                        found.labels[next] = number;
                        stack.push(next);
                    }
                }
            }
            found.lines.push(core.line());
        }
        found
    }

    /// The number of the core at a point, if its ends lie at least `tilt` pixels off the level of one another.
    #[must_use]
    pub fn tilted(&self, [x, y]: [f32; 2], tilt: f32) -> Option<usize> {
        let number = self.number(x, y)?;
        let line = &self.lines[number];
        let (sin, cos) = line.angle.sin_cos();
        (line.long(line.high) * sin.abs().min(cos.abs()) >= tilt).then_some(number)
    }

    /// The core at a point of the frame, or within a cell of it.
    #[must_use]
    pub fn at(&self, x: f32, y: f32) -> Option<&Line> {
        self.number(x, y).map(|number| &self.lines[number])
    }

    fn number(&self, x: f32, y: f32) -> Option<usize> {
        let rows = self.labels.len() / self.columns.max(1);
        let (cx, cy) = ((x / STRIDE) as i64, (y / STRIDE) as i64);
        let near = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)].into_iter().map(|(dx, dy)| (cx + dx, cy + dy));
        let inside = |&(x, y): &(i64, i64)| x >= 0 && y >= 0 && x < self.columns as i64 && y < rows as i64;
        let mut labels = near.filter(inside).map(|(x, y)| self.labels[y as usize * self.columns + x as usize]);
        labels.find(|&label| label != NONE).map(|label| label as usize)
    }
}

/// Sums over the cells of a core, in cells.
#[derive(Default)]
struct Core {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
    points: Vec<[f64; 2]>,
}

impl Core {
    fn add(&mut self, x: f64, y: f64) {
        self.n += 1.;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
        self.points.push([x, y]);
    }

    /// Main axis by the moments of the cells, length by their extent along it, thickness by area over length.
    fn line(&self) -> Line {
        let (mx, my) = (self.x / self.n, self.y / self.n);
        let (sxx, syy, sxy) = (self.xx / self.n - mx * mx, self.yy / self.n - my * my, self.xy / self.n - mx * my);
        // A core of a few cells has no direction worth believing.
        let angle = if self.n < 6. { 0. } else { (2. * sxy).atan2(sxx - syy) / 2. };
        let (sin, cos) = angle.sin_cos();
        let along = |p: &[f64; 2]| (p[0] - mx) * cos + (p[1] - my) * sin;
        let (first, last) = self.points.iter().map(along).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        // A cell is a unit square: half a cell stands out at each end.
        let core_long = last - first + 1.;
        let thick = self.n / core_long;
        let stride = f64::from(STRIDE);
        let middle = (first + last) / 2.;
        let centre = [mx + middle * cos, my + middle * sin].map(|v| ((v + 0.5) * stride) as f32);
        // The core was painted half as high as its line and a quarter of the height short at each end.
        Line { middle: centre, angle: angle as f32, core: (core_long * stride) as f32, high: (2. * thick * stride) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upright_core_gives_its_line() {
        let mut mask = vec![0.; 64 * 16];
        // Core of a line 16 pixels high and 208 long at (20, 24): rows 7 and 8, columns 6 to 55.
        for row in 7..9 {
            mask[row * 64 + 6..row * 64 + 56].fill(0.9);
        }
        let found = Lines::find(&mask, 64, 16);
        let line = found.lines[0];
        assert!((line.high - 16.).abs() < 0.1 && (line.long(16.) - 208.).abs() < 0.1, "{line:?}");
        let corner = line.quad(line.high, 0.)[0];
        assert!((corner[0] - 20.).abs() < 0.1 && (corner[1] - 24.).abs() < 0.1, "{corner:?}");
        assert!(found.at(100., 32.).is_some() && found.at(100., 8.).is_none());
    }

    #[test]
    fn a_tilted_core_keeps_its_angle() {
        let mut mask = vec![0.; 128 * 128];
        for i in 0..100usize {
            let y = 20 + i / 4;
            (0..3).for_each(|k| mask[(y + k) * 128 + 10 + i] = 0.8);
        }
        let line = Lines::find(&mask, 128, 128).lines[0];
        assert!((line.angle.to_degrees() - 14.).abs() < 1., "{}", line.angle.to_degrees());
    }
}
