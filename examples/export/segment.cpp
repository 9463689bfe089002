// One object of an image with exported networks: segment FOLDER IMAGE.ppm X Y MASK.pgm
// FOLDER is written by `anymask export mobile-sam --to FOLDER --single-mask --format openvino`.
#include <openvino/openvino.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>

static ov::Tensor tensor(const ov::Shape& shape, const std::vector<float>& values) {
    ov::Tensor made(ov::element::f32, shape);
    std::copy(values.begin(), values.end(), made.data<float>());
    return made;
}

int main(int count, char** argument) {
    if (count != 6) return std::cerr << "segment FOLDER IMAGE.ppm X Y MASK.pgm\n", 2;
    const std::string folder = argument[1];
    std::ifstream image(argument[2], std::ios::binary);
    std::string kind;
    size_t width = 0, height = 0, most = 0;
    image >> kind >> width >> height >> most;
    if (kind != "P6" || most != 255) return std::cerr << argument[2] << " is no 8-bit PPM image\n", 2;
    image.get();
    std::vector<char> bytes(width * height * 3);
    image.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));

    ov::Core core;
    ov::AnyMap exact = {{"INFERENCE_PRECISION_HINT", "f32"}};
    auto encoder = core.compile_model(folder + "/encoder.xml", "CPU", exact).create_infer_request();
    ov::Tensor pixels(ov::element::f32, {height, width, 3});
    std::transform(bytes.begin(), bytes.end(), pixels.data<float>(), [](char b) { return static_cast<uint8_t>(b); });
    encoder.set_tensor("input_image", pixels);
    encoder.infer();

    // Points are in pixels of the image as it lies within 1024x1024 pixels.
    const double scale = 1024.0 / static_cast<double>(std::max(width, height));
    auto square = [&](const char* text, size_t side) {
        return static_cast<float>(std::stod(text) * std::floor(side * scale + 0.5) / side);
    };
    auto decoder = core.compile_model(folder + "/decoder.xml", "CPU", exact).create_infer_request();
    decoder.set_tensor("image_embeddings", encoder.get_tensor("image_embeddings"));
    decoder.set_tensor("point_coords", tensor({1, 2, 2}, {square(argument[3], width), square(argument[4], height), 0, 0}));
    decoder.set_tensor("point_labels", tensor({1, 2}, {1, -1}));  // the click, and one padding point
    decoder.set_tensor("mask_input", tensor({1, 1, 256, 256}, std::vector<float>(256 * 256)));
    decoder.set_tensor("has_mask_input", tensor({1}, {0}));
    decoder.set_tensor("orig_im_size", tensor({2}, {static_cast<float>(height), static_cast<float>(width)}));
    decoder.infer();

    const float* logits = decoder.get_tensor("masks").data<float>();
    std::ofstream mask(argument[5], std::ios::binary);
    mask << "P5\n" << width << " " << height << "\n255\n";
    for (size_t i = 0; i < width * height; ++i) mask.put(static_cast<char>(logits[i] > 0 ? 255 : 0));
    std::cout << "score " << decoder.get_tensor("iou_predictions").data<float>()[0] << "\n";
}
