#include "image/morphology.h"

#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <string>

namespace catvton::image {
namespace {

// OpenCV's header on our bytes. It has no const pictures; nothing here writes to its inputs.
cv::Mat mat_of(const View& view) {
  if (view.shape.channels != 1) {
    throw std::invalid_argument("a mask has one channel, got " + std::to_string(view.shape.channels));
  }
  return cv::Mat(view.shape.height, view.shape.width, CV_8UC1, const_cast<uint8_t*>(view.data));
}

cv::Mat mat_of(Image& image) { return mat_of(View(image)); }

void require_odd(const char* what, int64_t size) {
  if (size < 1 || size % 2 == 0) {
    throw std::invalid_argument(std::string(what) + " must be odd and positive, got " + std::to_string(size));
  }
}

// One row of border, so that the distance to the outside and the holes at the edge come out right.
cv::Mat with_border(const cv::Mat& mask, uint8_t value) {
  cv::Mat framed;
  cv::copyMakeBorder(mask, framed, 1, 1, 1, 1, cv::BORDER_CONSTANT, value);
  return framed;
}

}  // namespace

Image dilate_square(const View& mask, int64_t size, int64_t times) {
  require_odd("the size of a dilation", size);
  Image out(mask.shape);
  cv::Mat result = mat_of(out);
  cv::dilate(mat_of(mask) != 0, result, cv::Mat::ones(size, size, CV_8U), {-1, -1}, times);
  return out;
}

Image grow_disc(const View& mask, double radius) {
  Image out(mask.shape);
  cv::Mat result = mat_of(out);
  const cv::Mat shape = mat_of(mask) != 0;
  const cv::Mat sought = radius < 0 ? shape : cv::Mat(shape == 0);  // distances are measured from these to the rest
  if (cv::countNonZero(sought) == static_cast<int>(sought.total())) {
    shape.copyTo(result);  // no shape to grow, or no outside to shrink from
    return out;
  }
  cv::Mat distance;
  cv::distanceTransform(sought, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  const double reach = std::abs(radius) + 1e-4;  // float32 distances: keep a pixel at exactly `radius`
  cv::Mat(radius < 0 ? distance > reach : distance <= reach).copyTo(result);
  return out;
}

Image convex_hulls(const View& mask) {
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(mat_of(mask) != 0, contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_SIMPLE);
  Image out(mask.shape);
  cv::Mat result = mat_of(out);
  for (const auto& contour : contours) {
    std::vector<std::vector<cv::Point>> hull(1);
    cv::convexHull(contour, hull[0]);
    cv::fillPoly(result, hull, cv::Scalar(255));
  }
  return out;
}

Image close_holes_drop_islands(const View& mask, int64_t max_hole, int64_t min_island) {
  cv::Mat shape = mat_of(mask) != 0, labels, stats, centres;
  // 4-connected background against 8-connected shape: a diagonal line of mask separates.
  const int areas = cv::connectedComponentsWithStats(with_border(shape == 0, 255), labels, stats, centres, 4);
  const int outside = labels.at<int>(0, 0);
  const cv::Mat inner = labels(cv::Rect(1, 1, shape.cols, shape.rows));
  std::vector<uint8_t> is_hole(areas);
  for (int i = 1; i < areas; ++i) is_hole[i] = i != outside && stats.at<int>(i, cv::CC_STAT_AREA) <= max_hole;
  for (int y = 0; y < shape.rows; ++y) {
    for (int x = 0; x < shape.cols; ++x) {
      if (is_hole[inner.at<int>(y, x)]) shape.at<uint8_t>(y, x) = 255;
    }
  }
  const int islands = cv::connectedComponentsWithStats(shape, labels, stats, centres, 8);
  int largest = 0;
  for (int i = 1; i < islands; ++i) largest = std::max(largest, stats.at<int>(i, cv::CC_STAT_AREA));
  Image out(mask.shape);
  for (int y = 0; y < shape.rows; ++y) {
    for (int x = 0; x < shape.cols; ++x) {
      const int label = labels.at<int>(y, x), area = stats.at<int>(label, cv::CC_STAT_AREA);
      out.row(y)[x] = label != 0 && (area == largest || area >= min_island) ? 255 : 0;
    }
  }
  return out;
}

Image gaussian_blur_opencv(const View& picture, int64_t size) {
  require_odd("the size of a blur", size);
  Image out(picture.shape);
  cv::Mat result = mat_of(out);
  cv::GaussianBlur(mat_of(picture), result, cv::Size(size, size), 0);
  return out;
}

}  // namespace catvton::image
