"""The chapters' exercises: `check`, `hint` and `solution` of each, one module a chapter."""

from quantedu.exercises.exercise import Exercise, Verdict

__all__ = ["Exercise", "Verdict"]
