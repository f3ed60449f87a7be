"""The body as a surface to draw on: joints, radii and the torso's own coordinates, in centimetres.

The torso is upright in its own frame (x to the picture's right, y down from between the collar bones) and leans about
the hips; arms hang from its shoulders, legs stand below the hips without leaning. The same class describes the flat lay
of a garment (`laid_flat`): an average torso with straight arms, so that one cut of a garment serves both pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .geometry import turned
from .person import Body, Person

SIDES = (-1, 1)
UNDERARM, WAIST, HIP, CROTCH = 18.0, 37.0, 55.0, 66.0  # heights on the torso, cm below the collar bones
KNEE_SHARE = 0.5  # of the leg
PROFILE_Y = np.array([0.0, 4.0, UNDERARM, WAIST, HIP, 70.0, 130.0])


@dataclass(frozen=True)
class Form:
    body: Body
    lean: float  # degrees
    arms: tuple[np.ndarray, np.ndarray]  # shoulder, elbow, wrist: [3, 2] per side
    legs: tuple[np.ndarray, np.ndarray]  # hip, knee, ankle
    reach: tuple[np.ndarray, np.ndarray]  # where the hands point: unit vectors
    flat: bool = False

    @property
    def arm_radii(self) -> np.ndarray:
        return np.array([5.0, 3.9, 2.55]) * self.body.bulk

    @property
    def leg_radii(self) -> np.ndarray:
        return np.array([0.53 * self.body.hip, 5.4 * self.body.bulk, 3.5 * self.body.bulk])

    @property
    def profile(self) -> np.ndarray:
        """Half-widths of the body at PROFILE_Y, cm."""
        b = self.body
        return np.array([b.shoulder * 0.86, b.shoulder, b.chest, b.waist, b.hip, b.hip * 1.02, b.hip * 1.02])

    def width(self, y) -> np.ndarray:
        return np.interp(y, PROFILE_Y, self.profile)

    def place(self, points) -> np.ndarray:
        """From the torso's own frame to the picture's cm. Below the hips the two are one."""
        points = np.asarray(points, np.float64)
        return np.where(points[:, 1:] < HIP, turned(points, self.lean, (0.0, HIP)), points)

    def torso(self, x, y) -> tuple[np.ndarray, np.ndarray]:
        """From the picture's cm (broadcastable) to the torso's own frame."""
        if self.lean == 0:
            return np.broadcast_arrays(x, y)
        c, s = np.float32(np.cos(np.radians(self.lean))), np.float32(np.sin(np.radians(self.lean)))
        up = np.minimum(y - np.float32(HIP), 0)
        return x * c + up * s, y + up * (c - 1) - np.where(up < 0, x * s, np.float32(0))


def _direction(side: int, degrees: float) -> np.ndarray:
    return np.array([side * np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])


def _form(body: Body, arms, hands, legs, lean: float, flat: bool) -> Form:
    arm_joints, leg_joints, reach = [], [], []
    for side, (upper, fore), hand, (thigh, shin) in zip(SIDES, arms, hands, legs, strict=True):
        radius = 5.0 * body.bulk
        shoulder = turned([(side * (body.shoulder - radius + 0.7), 2.2 + radius)], lean, (0.0, HIP))[0]
        elbow = shoulder + 0.53 * body.arm * _direction(side, upper)
        wrist = elbow + 0.47 * body.arm * _direction(side, fore)
        arm_joints.append(np.stack([shoulder, elbow, wrist]))
        reach.append(_direction(side, hand))
        hip = np.array([side * body.hip * 0.5, HIP + 4])
        knee = hip + body.leg * KNEE_SHARE * _direction(side, thigh)
        ankle = knee + body.leg * (1 - KNEE_SHARE) * _direction(side, shin)
        leg_joints.append(np.stack([hip, knee, ankle]))
    return Form(body, lean, tuple(arm_joints), tuple(leg_joints), tuple(reach), flat)


def form_of(person: Person) -> Form:
    return _form(person.body, person.pose.arms, person.pose.hands, person.pose.legs, person.pose.lean, flat=False)


_MANNEQUIN = Body(
    neck=6.0, shoulder=20.0, chest=17.2, waist=15.4, hip=17.4, bust=0.0, bulk=1.0, arm=55, leg=84, head=12
)


def laid_flat(sleeve: float) -> Form:
    """The form a garment of that sleeve length (0 none .. 1 to the wrist) is laid on for its own picture."""
    angle = 48 - 26 * min(1.0, sleeve)
    return _form(_MANNEQUIN, ((angle, angle),) * 2, (angle, angle), ((3.0, 3.0),) * 2, 0.0, flat=True)
