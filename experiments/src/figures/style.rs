//! Colours and text. The colours of the series are Okabe and Ito's, which people with any of the
//! common kinds of colour blindness tell apart; shape or order says the same again.

use plotters::prelude::*;

use crate::result::{System, Way};

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
/// Lesser text.
pub(crate) const DIM: RGBColor = RGBColor(0x5B, 0x66, 0x70);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(0xE3, 0xE7, 0xEB);
/// The streaming interval.
pub(crate) const SHADE: RGBColor = RGBColor(0xF0, 0xF3, 0xF6);

const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
const PURPLE: RGBColor = RGBColor(0xA6, 0x4D, 0x87);
const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);

/// Series that mean neither a system nor a way.
pub(crate) const SERIES: [RGBColor; 5] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE];

/// The colours by which a page with its own palette replaces ours.
pub(crate) const VARIABLES: [(RGBColor, &str); 9] = [
    (INK, "--ink"),
    (DIM, "--dim"),
    (GRID, "--grid"),
    (SHADE, "--shade"),
    (VERMILION, "--direct"),
    (BLUE, "--assisted"),
    (PURPLE, "--hls"),
    (GREEN, "--neighbour"),
    (ORANGE, "--seed"),
];

/// As SVG writes it.
pub(crate) fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

pub(crate) fn of_system(system: System) -> RGBColor {
    match system {
        System::Direct => VERMILION,
        System::Assisted => BLUE,
        System::Hls => PURPLE,
    }
}

pub(crate) fn of_way(way: Way) -> RGBColor {
    match way {
        Way::Cdn => VERMILION,
        Way::Switch => BLUE,
        Way::Neighbour => GREEN,
        Way::Seed => ORANGE,
        Way::Hls => PURPLE,
    }
}

const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

pub(crate) fn text(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

pub(crate) fn dim_text(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&DIM)
}
