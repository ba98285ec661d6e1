"""The two tasks' behaviour, on maps small enough to reckon with by hand."""

import math

import pytest
import torch

from tamperlens.models.tasks import TASKS, Joint, mask_of, resize

CLS, SEG, JOINT = TASKS["cls"], TASKS["seg"], Joint()
every_task = pytest.mark.parametrize("task", (CLS, SEG), ids=("cls", "seg"))  # the paper's

# Two crops' maps: mean 1.5 (manipulated) and mean -1.
MAPS = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]], [[[-4.0, 2.0], [-1.0, -1.0]]]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def read(task, logit_map, size=(2, 2), map_threshold=0.5):
    pixel_map = task.pixel_map(logit_map, size)
    return pixel_map, task.score(logit_map, pixel_map, map_threshold)


@every_task
def test_a_task_reads_any_map_at_the_crops_size(task):
    pixel_map, score = read(task, torch.randn(3, 1, 5, 7) * 10, size=(41, 53))
    assert pixel_map.shape == (3, 1, 41, 53)
    assert score.shape == (3,)
    for values in (pixel_map, score):
        assert values.dtype == torch.float32
        assert values.min() >= 0
        assert values.max() <= 1


@every_task
def test_half_precision_maps_are_read_in_float32(task):
    pixel_map, score = read(task, MAPS.bfloat16())
    assert pixel_map.dtype == score.dtype == torch.float32
    assert task.loss(MAPS.bfloat16(), torch.ones(2, 1, 4, 4), torch.ones(2)).dtype == torch.float32


@every_task
def test_a_perfect_map_costs_nothing_and_its_opposite_much(task):
    labels = torch.tensor([1.0, 0.0])
    masks = labels.view(2, 1, 1, 1).expand(2, 1, 8, 8)
    perfect = (masks[..., :4, :4] * 2 - 1) * 20
    assert task.loss(perfect, masks, labels) < 1e-6
    assert task.loss(-perfect, masks, labels) == pytest.approx(20, rel=1e-5)
    assert task.loss(perfect * 0, masks, labels) == pytest.approx(math.log(2))


@every_task
def test_the_loss_reaches_every_cell(task):
    logit_map = torch.zeros(2, 1, 3, 3, requires_grad=True)
    task.loss(logit_map, torch.ones(2, 1, 12, 12), torch.ones(2)).backward()
    assert (logit_map.grad < 0).all()


def test_mask_includes_the_threshold():
    assert mask_of(torch.tensor([0.25, 0.5, 0.75]), 0.5).tolist() == [False, True, True]


def test_resizing_keeps_cell_centres():
    assert resize(torch.tensor([[[[0.0, 1.0]]]]), (1, 4)).flatten().tolist() == [0, 0.25, 0.75, 1]


def test_cls_loss_is_bce_of_the_mean():
    """Eq. 1, with the `1 -` that its print lacks."""
    expected = -(math.log(sigmoid(1.5)) + math.log(1 - sigmoid(-1.0))) / 2
    assert CLS.loss(MAPS, torch.zeros(2, 1, 2, 2), torch.tensor([1.0, 0.0])).item() == pytest.approx(expected)


def test_cls_score_is_the_sigmoid_of_the_maps_mean():
    for size in ((2, 2), (31, 17)):
        assert read(CLS, MAPS, size)[1].tolist() == pytest.approx([sigmoid(1.5), sigmoid(-1.0)])


def test_cls_pixel_map_is_stretched_for_each_crop():
    pixel_map, _ = read(CLS, torch.cat([MAPS[:1], MAPS[:1] * 100]))
    expected = torch.tensor([[0.0, 1 / 3], [2 / 3, 1.0]])
    torch.testing.assert_close(pixel_map, expected.expand(2, 1, 2, 2))


def test_cls_pixel_map_reaches_0_and_1_after_resizing():
    pixel_map, _ = read(CLS, MAPS[:1], size=(7, 9))
    assert (pixel_map.min(), pixel_map.max()) == (0, 1)


def test_cls_pixel_map_is_empty_below_one_half():
    pixel_map, score = read(CLS, MAPS)
    assert score[1] < 0.5
    assert not pixel_map[1].any()
    at_one_half, _ = read(CLS, MAPS[:1] - MAPS[:1].mean())
    assert at_one_half.any()


@pytest.mark.parametrize("value", [0.0, 0.1, 7.3, 1e4])
def test_cls_pixel_map_of_a_constant_map_is_empty(value):
    pixel_map, score = read(CLS, torch.full((1, 1, 3, 3), value), size=(10, 11))
    assert score >= 0.5
    assert torch.equal(pixel_map, torch.zeros(1, 1, 10, 11))


def test_seg_loss_is_bce_of_each_pixel():
    """Eq. 5, with the `1 -` that its print lacks."""
    masks = torch.tensor([[[[0.0, 0.0], [1.0, 1.0]]]])
    terms = [1 - sigmoid(0.0), 1 - sigmoid(1.0), sigmoid(2.0), sigmoid(3.0)]
    expected = -sum(map(math.log, terms)) / 4
    assert SEG.loss(MAPS[:1], masks, torch.ones(1)).item() == pytest.approx(expected)


def test_seg_loss_is_taken_at_the_masks_size():
    logit_map = torch.tensor([[[[-2.0, 2.0]]]])
    masks = torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]])  # the map becomes -2, -1, 1, 2
    expected = -(math.log(sigmoid(2.0)) + math.log(sigmoid(1.0))) / 2
    assert SEG.loss(logit_map, masks, torch.ones(1)).item() == pytest.approx(expected)


def test_seg_pixel_map_is_the_sigmoid():
    pixel_map, _ = read(SEG, MAPS)
    assert pixel_map.flatten().tolist() == pytest.approx([sigmoid(x) for x in MAPS.flatten().tolist()])


def test_seg_score_is_the_share_of_pixels_called_manipulated():
    """Eq. 6."""
    assert read(SEG, MAPS)[1].tolist() == [1.0, 0.25]  # sigmoid(0) = 0.5 reaches the threshold
    assert read(SEG, MAPS, map_threshold=0.7)[1].tolist() == [0.75, 0.25]


@pytest.mark.parametrize(("task", "seen"), [("cls", "labels"), ("seg", "masks")])
def test_each_task_learns_from_its_own_truth_only(task, seen):
    masks, labels = torch.ones(2, 1, 2, 2), torch.ones(2)
    loss = TASKS[task].loss(MAPS, masks, labels)
    assert (TASKS[task].loss(MAPS, masks, 1 - labels) != loss) == (seen == "labels")
    assert (TASKS[task].loss(MAPS, 1 - masks, labels) != loss) == (seen == "masks")


# joint: a map and the images' logits


def both(forged: float, pristine: float, image: tuple[float, float]):
    """Maps of a pristine and of a forged crop whose left half was manipulated, and their image logits."""
    masks = torch.zeros(2, 1, 8, 8)
    masks[1, :, :, :4] = 1
    logit_map = torch.where(masks[..., ::2, ::2] > 0, forged, pristine)
    return (logit_map, torch.tensor(image)), masks, torch.tensor([0.0, 1.0])


def test_joint_costs_nothing_where_pixels_images_and_pairs_are_right() -> None:
    assert JOINT.loss(*both(30, -30, (-30, 30))) < 1e-4
    undecided = JOINT.loss(*both(0, 0, (0, 0)))
    overlap = 1 - (2 * 4 + 1) / (8 + 8 + 1)  # half of 16 cells marked half, of which half are true
    expected = (JOINT.pixels + JOINT.image) * math.log(2) + JOINT.overlap * overlap + JOINT.pairs * JOINT.margin
    assert undecided == pytest.approx(expected, rel=1e-5)


def test_joints_margin_holds_between_the_two_of_a_pair_only() -> None:
    near, far = both(30, -30, (-0.2, 0.2)), both(30, -30, (-0.5, 0.5))
    image = torch.nn.functional.binary_cross_entropy_with_logits
    for given, hinge in ((near, 0.6), (far, 0.0)):
        (_, scores), _, labels = given
        assert JOINT.loss(*given) == pytest.approx(float(image(scores, labels)) + JOINT.pairs * hinge, abs=1e-3)
    (logit_map, scores), masks, labels = near
    turned = ((logit_map.flip(0), scores.flip(0)), masks.flip(0), labels.flip(0))  # forged first: no pair
    assert JOINT.loss(*turned) == pytest.approx(float(image(scores, labels)), abs=1e-3)


def test_joint_scores_by_the_images_logit_and_maps_by_pixels() -> None:
    logits, _, _ = both(2.0, -2.0, (-1.0, 3.0))
    pixel_map, score = read(JOINT, logits, size=(8, 8))
    assert score.tolist() == pytest.approx([sigmoid(-1), sigmoid(3)])
    assert pixel_map.shape == (2, 1, 8, 8) and pixel_map[1, 0, 4, 0] == pytest.approx(sigmoid(2))


def test_joint_needs_an_image_head() -> None:
    with pytest.raises(ValueError, match="the task joint needs a network with an image head"):
        JOINT.loss(MAPS, torch.ones(2, 1, 4, 4), torch.ones(2))
