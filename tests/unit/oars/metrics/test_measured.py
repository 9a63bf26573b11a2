"""What is measured of one output, and what is left out."""

from tiny import picture

from oars.metrics.measured import measured, panel


def test_the_panel_leaves_out_what_has_no_value() -> None:
    gt = picture(0, 64)
    assert panel(picture(1, 64), gt, ()).keys() == {"psnr", "ssim", "stlpips", "cvvdp", "niqe32", "brisque"}
    assert panel(picture(1, 64), None, ()).keys() == {"niqe32", "brisque"}
    assert panel(picture(1, 40), None, ()) == {}  # too small


def test_all_that_is_measured_holds_the_panel() -> None:
    sr, gt = picture(1, 64), picture(0, 64)
    everything = measured(sr, gt, ())
    assert everything.items() >= panel(sr, gt, ()).items()
    assert everything["speckle"] > 1 and "added_ripples" in everything
    assert measured(sr, None, ()).keys() == {"niqe32", "brisque", "speckle"}
