"""The reference's mask of an upper garment in OpenCV and numpy, step by step as its cloth_masker.py goes."""

from __future__ import annotations

import cv2
import numpy as np

HANDS_AND_FEET, TORSO_AND_ARMS = (3, 4, 5, 6), (1, 2, 15, 16, 17, 18, 19, 20, 21, 22)
ATR = {
    "limbs": (12, 13, 14, 15),
    "kept": (12, 13, 5, 6, 2, 1, 3, 9, 10, 16, 17),  # legs, skirt, pants, hair, accessories
    "clothes": (4, 7),
}
LIP = {
    "limbs": (14, 15, 16, 17),
    "kept": (16, 17, 12, 9, 2, 1, 3, 4, 8, 18, 19, 11),
    "clothes": (5, 6, 7, 10),
}
FACE = 13  # of LIP


def upper_mask(atr: np.ndarray, lip: np.ndarray, densepose: np.ndarray) -> np.ndarray:
    """Label maps [H, W], whose sides four divides -> uint8 [H, W], 255 where the model may paint."""
    height, width = lip.shape
    dilation, blur = _odd(max(height, width) // 250), _odd(max(height, width) // 25)
    square = np.ones((dilation, dilation), np.uint8)

    def either(part: str) -> np.ndarray:
        return np.isin(atr, ATR[part]) | np.isin(lip, LIP[part])

    extremities = cv2.dilate(np.isin(densepose, HANDS_AND_FEET).astype(np.uint8), square) > 0
    strong = (extremities & either("limbs")) | (lip == FACE)
    weak = strong | either("kept")
    body = np.isin(densepose, TORSO_AND_ARMS).astype(np.uint8) * 255
    small = cv2.resize(body, (width // 4, height // 4), interpolation=cv2.INTER_NEAREST)
    small = cv2.dilate(small, square, iterations=2)
    body = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST) > 0

    area = (~weak & ~((atr == 0) & (lip == 0))) | body
    contours, _ = cv2.findContours(area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hulls = np.zeros((height, width), np.uint8)
    for contour in contours:
        cv2.fillPoly(hulls, [cv2.convexHull(contour)], 255)
    hulls[weak] = 0
    area = cv2.GaussianBlur(hulls, (blur, blur), 0) >= 25
    area = (area | either("clothes")) & ~strong
    return cv2.dilate(area.astype(np.uint8) * 255, square)


def _odd(size: int) -> int:
    return size + (size % 2 == 0)
