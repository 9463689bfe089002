"""The device is what was asked for, or a clear refusal: never another one in its place."""

import onnxruntime
import pytest

import anymask
from anymask.engines.loading import load_engine
from anymask.engines.providers import PROVIDERS, choose_provider, cuda_build_installed, require_device
from anymask.errors import EngineError, ModelError

HERE = onnxruntime.get_available_providers()
CUDA_BUILD = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
MAC_BUILD = ["CoreMLExecutionProvider", "AzureExecutionProvider", "CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("device", "available", "provider"),
    [
        ("cpu", HERE, "CPUExecutionProvider"),
        ("cpu", CUDA_BUILD, "CPUExecutionProvider"),
        ("cuda", CUDA_BUILD, "CUDAExecutionProvider"),
        ("coreml", MAC_BUILD, "CoreMLExecutionProvider"),
    ],
)
def test_a_device_has_one_provider(device, available, provider):
    assert choose_provider(device, available)[0] == provider


def test_f32_on_a_gpu_is_f32():
    assert choose_provider("cuda", CUDA_BUILD)[1]["use_tf32"] == "0"
    assert choose_provider("coreml", MAC_BUILD)[1]["MLComputeUnits"] == "CPUAndGPU"


@pytest.mark.parametrize(
    ("device", "available", "remedy"),
    [
        ("cuda", MAC_BUILD, "pip install onnxruntime-gpu"),
        ("cuda", ["CPUExecutionProvider"], "pip install onnxruntime-gpu"),
        ("coreml", CUDA_BUILD, "on macOS only"),
    ],
)
def test_a_build_without_the_device_says_what_to_install(device, available, remedy):
    with pytest.raises(EngineError, match=remedy) as raised:
        choose_provider(device, available)
    assert repr(device) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("device", sorted(PROVIDERS))
def test_what_was_asked_for_runs_or_is_refused_on_this_machine(device):
    if PROVIDERS[device] in HERE:
        engine = load_engine("onnxruntime", device=device)
        assert (engine.name, engine.device, engine.precision) == ("onnxruntime", device, "f32")
    else:
        with pytest.raises(EngineError, match=f"no device '{device}'"):
            load_engine("onnxruntime", device=device)
        with pytest.raises(EngineError, match=f"no device '{device}'"):
            anymask.load("mobile-sam", device=device)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_cannot_be_set_up_is_an_error_and_not_the_cpu():
    with pytest.raises(EngineError, match="'cuda' cannot be used"):
        require_device("cuda", ("FakeExecutionProvider", {}))


def test_a_gpu_rules_openvino_out():
    with pytest.raises(
        EngineError, match="'openvino' does not run on device 'cuda': use engine 'onnxruntime' or 'auto'"
    ):
        load_engine("openvino", device="cuda")


def test_auto_without_a_cuda_build_is_the_cpu():
    if cuda_build_installed():
        assert load_engine("openvino").device == "cpu"
    else:
        assert load_engine().device == load_engine("onnxruntime").device == "cpu"
        assert load_engine(device="cpu").name == load_engine().name


def test_unknown_device_is_one_clear_line():
    with pytest.raises(ModelError, match="unknown device 'tpu': choose auto, cpu, cuda, coreml"):
        anymask.load("mobile-sam", device="tpu")
