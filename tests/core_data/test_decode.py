"""Whatever the file, the pixels are uint8 RGB; what is no image is an error that names the file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.decode import MAX_PIXELS, ImageError, Pixels, decode, reduction, verify
from core.fit import PADDING, fit
from recipes.sections import Resize

RED, CLEAR = (255, 0, 0), (0, 255, 0)


def smooth(width: int = 40, height: int = 30) -> Image.Image:
    coarse = np.random.default_rng(3).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def grey_ramp() -> Image.Image:
    return Image.fromarray(np.tile(np.arange(0, 240, 6, dtype=np.uint8), (30, 1)))


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif", "ppm", "gif", "avif", "jp2"])
def test_every_format_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    pixels = decode(saved(tmp_path / f"x.{suffix}", smooth()))
    assert (pixels.shape, pixels.dtype) == ((30, 40, 3), np.uint8)
    assert pixels.flags.c_contiguous
    assert np.abs(pixels.astype(int) - np.asarray(smooth()).astype(int)).mean() < 12


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_grey_becomes_three_equal_channels(tmp_path: Path, suffix: str) -> None:
    pixels = decode(saved(tmp_path / f"x.{suffix}", grey_ramp()))
    assert (pixels[..., 0] == pixels[..., 1]).all()
    assert (pixels[..., 1] == pixels[..., 2]).all()
    assert np.abs(pixels[..., 0].astype(int) - np.asarray(grey_ramp())).max() <= 2


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    pixels = decode(saved(tmp_path / "x.png", grey_ramp().convert("1")))
    assert set(np.unique(pixels)) == {0, 255}


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_the_upper_eight(tmp_path: Path, suffix: str) -> None:
    wide = np.asarray(grey_ramp()).astype(np.uint16) * 257
    assert (decode(saved(tmp_path / f"x.{suffix}", Image.fromarray(wide)))[..., 0] == np.asarray(grey_ramp())).all()


def test_sixteen_bit_colour_keeps_the_upper_eight(tmp_path: Path) -> None:
    wide = np.asarray(smooth()).astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    header = struct.pack(">IIBBBBB", 40, 30, 16, 2, 0, 0, 0)
    path = tmp_path / "x.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")
    )
    assert (decode(path) == np.asarray(smooth())).all()


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_floats_up_to_one_are_shares_of_white(tmp_path: Path) -> None:
    shares = np.asarray(grey_ramp()).astype(np.float32) / 255
    assert (decode(saved(tmp_path / "x.tif", Image.fromarray(shares)))[..., 2] == np.asarray(grey_ramp())).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "palette"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (20, 10), (*RED, 255))
    image.paste((*CLEAR, 0), (0, 0, 10, 10))
    if mode == "palette":
        path = saved(tmp_path / "x.png", image.convert("P", palette=Image.Palette.ADAPTIVE), transparency=1)
        shown = Image.open(path).convert("RGBA")
        expected = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
        assert (decode(path) == np.asarray(expected)).all()
        assert (255, 255, 255) in {tuple(pixel) for pixel in decode(path).reshape(-1, 3).tolist()}
        return
    pixels = decode(saved(tmp_path / "x.png", image.convert(mode)))
    assert (pixels[:, :10] == 255).all()
    assert not (pixels[:, 10:] == 255).all()


def test_cmyk_looks_like_the_picture_it_was_made_from(tmp_path: Path) -> None:
    pixels = decode(saved(tmp_path / "x.jpg", smooth().convert("CMYK"), quality=95))
    assert np.abs(pixels.astype(int) - np.asarray(smooth()).astype(int)).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    path = saved(tmp_path / f"x.{suffix}", smooth(), exif=exif)
    upright = ImageOps.exif_transpose(Image.open(path))
    assert upright.size == ((40, 30) if orientation < 5 else (30, 40))
    assert (decode(path) == np.asarray(upright)).all()


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp"):
        path = saved(tmp_path / f"x.{suffix}", frames[0], save_all=True, append_images=frames[1:], lossless=True)
        assert decode(path)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("options", [{"quality": 90}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2}])
def test_a_jpeg_has_the_bytes_that_pillow_gives(tmp_path: Path, options: dict[str, object]) -> None:
    path = saved(tmp_path / "x.jpg", smooth(123, 77), **options)
    assert (decode(path) == np.asarray(Image.open(path))).all()


def test_photographs_have_the_bytes_that_pillow_gives(photos: Path) -> None:
    for path in sorted(photos.iterdir())[::10]:
        assert (decode(path) == np.asarray(Image.open(path).convert("RGB"))).all(), path.name


@pytest.mark.parametrize(("size", "factor"), [(None, 1), (300, 1), (200, 1), (150, 2), (75, 4), (37, 8), (8, 8)])
def test_a_large_jpeg_is_decoded_no_smaller_than_twice_the_size(tmp_path: Path, size: int | None, factor: int) -> None:
    path = saved(tmp_path / "x.jpg", smooth(801, 601), quality=95)
    assert reduction((801, 601), size) == factor
    pixels = decode(path, size)
    assert pixels.shape == (-(-601 // factor), -(-801 // factor), 3)
    whole = np.asarray(smooth(pixels.shape[1], pixels.shape[0])).astype(int)
    assert np.abs(pixels.astype(int) - whole).mean() < 3


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp"])
def test_a_file_that_ends_too_early_is_an_error_that_names_it(tmp_path: Path, suffix: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = saved(tmp_path / f"x.{suffix}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    for read in (decode, verify):
        with pytest.raises(ImageError, match=rf"x\.{suffix}"):
            read(path)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n" + b"\0" * 30])
def test_what_is_no_image_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    for read in (decode, verify):
        with pytest.raises(ImageError) as caught:
            read(path)
        assert "\n" not in caught.value.message


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        decode(tmp_path / "gone.png")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND")
    )
    with pytest.raises(ImageError, match=f"20000 x 10000 pixels are more than {MAX_PIXELS:,}"):
        decode(path)


def test_a_file_whose_name_lies_about_its_format_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    smooth().save(buffer, "PNG")
    (tmp_path / "x.jpg").write_bytes(buffer.getvalue())
    assert (decode(tmp_path / "x.jpg") == np.asarray(smooth())).all()


def stripes(height: int, width: int) -> Pixels:
    """Red in the left third, green in the middle, blue in the right."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    for third in range(3):
        image[:, third * width // 3 : (third + 1) * width // 3, third] = 255
    return image


@pytest.mark.parametrize("shape", [(30, 90), (90, 30), (7, 5), (64, 64), (1, 1), (500, 333)])
@pytest.mark.parametrize("resize", list(Resize))
def test_any_shape_becomes_the_square(shape: tuple[int, int], resize: Resize) -> None:
    square = fit(np.full((*shape, 3), 77, dtype=np.uint8), 32, resize)
    assert (square.shape, square.dtype) == ((32, 32, 3), np.uint8)
    assert (square[16, 16] == 77).all()


def test_crop_keeps_the_middle_squash_keeps_all_and_letterbox_pads() -> None:
    image = stripes(30, 90)
    assert (fit(image, 32, Resize.CROP)[..., 1] > 250).all()
    squashed = fit(image, 32, Resize.SQUASH)
    assert [int(squashed[16, column].argmax()) for column in (2, 16, 29)] == [0, 1, 2]
    boxed = fit(image, 33, Resize.LETTERBOX)
    assert (boxed[0] == PADDING).all()
    assert (boxed[-1] == PADDING).all()
    assert [int(boxed[16, column].argmax()) for column in (2, 16, 30)] == [0, 1, 2]


def test_shrinking_averages_so_that_fine_patterns_become_grey() -> None:
    """Of 8 x 8 random pixels the mean varies by 73.6 / 8; bilinear interpolation of their middle by 36."""
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert fit(image, 32, Resize.SQUASH).std() < 12
