use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::{fs, io};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};

use super::Figure;

/// A figure that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The disk said no.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The SVG could not be rasterised.
    #[error("{path}: cannot be rasterised: {what}")]
    Raster {
        /// Which file was to be made.
        path: PathBuf,
        /// Why not.
        what: String,
    },
}

/// Writes each figure as SVG and PNG under `folder/figures`.
pub fn write_all(folder: &Path, figures: &[Figure]) -> Result<(), FigureError> {
    let folder = folder.join("figures");
    fs::create_dir_all(&folder)
        .map_err(|source| FigureError::Io { path: folder.clone(), source })?;
    figures.iter().try_for_each(|figure| write_figure(&folder, figure))
}

/// Writes one figure as SVG and PNG (twice its nominal size, for screens and papers) into `folder`.
pub fn write_figure(folder: &Path, figure: &Figure) -> Result<(), FigureError> {
    let svg = figure.standalone();
    let write = |ending: &str, bytes: &[u8]| {
        let path = folder.join(format!("{}.{ending}", figure.name));
        fs::write(&path, bytes).map_err(|source| FigureError::Io { path, source })
    };
    write("svg", svg.as_bytes())?;
    let png = rasterise(&svg).map_err(|what| FigureError::Raster {
        path: folder.join(format!("{}.png", figure.name)),
        what,
    })?;
    write("png", &png)
}

const SCALE: f32 = 2.0;

fn rasterise(svg: &str) -> Result<Vec<u8>, String> {
    let mut options = usvg::Options { fontdb: fonts(), ..usvg::Options::default() };
    options.font_family = FALLBACK.to_owned();
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| error.to_string())?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or("it has no size")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or("it has no size")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| error.to_string())
}

/// The family name inside the font that comes with nearcast.
const FALLBACK: &str = "DejaVu Sans";

/// The font that comes with nearcast (DejaVu Sans, cut down to Latin; see `fonts/LICENSE`), and
/// those of the system, searched once.
fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(include_bytes!("../../fonts/DejaVuSans-Latin.ttf").to_vec());
        fonts.set_sans_serif_family(FALLBACK);
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}

#[cfg(test)]
mod tests {
    use super::super::style;
    use super::*;
    use plotters::prelude::*;

    #[test]
    fn text_becomes_pixels_whatever_fonts_there_are() {
        let figure = Figure::draw("x", "x", "", (200, 50), |area| {
            area.draw(&Text::new("76 ms", (10, 10), style::text(20)))?;
            Ok(())
        });
        let folder = tempfile::tempdir().expect("a folder");
        write_figure(folder.path(), &figure).expect("written");
        let png = fs::read(folder.path().join("x.png")).expect("there");
        let pixels = Pixmap::decode_png(&png).expect("a picture");
        assert_eq!((pixels.width(), pixels.height()), (400, 100));
        let dark = pixels.pixels().iter().filter(|pixel| pixel.red() < 100).count();
        assert!(dark > 200, "only {dark} dark pixels: the text is missing");
    }
}
