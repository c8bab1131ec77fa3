"""How far off is suspicious. Every number of the audit that is not a profile's stands here."""

# Numbers beyond which no video's time, energy or power lies, in any unit
LEAST, MOST = 1e-12, 1e15

# Power ------------------------------------------------------------------------------------------
OVER_LIMIT = 1.03  # boards overshoot a little between two corrections
IDLE_SHARE = 0.08  # of the limit: less than any board draws with a pipeline loaded
POWER_AGREES = 0.05  # stated power against energy over time: sampling and windows differ by less
CONSTANT = 2e-3  # relative scatter of a power that no meter reaches (gpu: see below)
CONSTANT_GPU = 5e-4  # a GPU at its limit is held within half a percent, not within this
WINDOW_S = 3.0  # a tracker's window may be longer than the timed one by this

# Laboratories: the same video on the same GPU type, two of them (peers: 5 to 8% in time, 10 to 17%
# in energy), as standard deviations
LAB_TIME = 0.04
LAB_POWER = 0.04
STACK = 0.25  # another software stack on the same GPU: 1.55x between 2025 and 2026
SAME_STACK = -2.5  # natural logarithm: how unlikely another stack is where none is stated
FAMILY = 0.5  # of a profile's interval for strangers, where it was fitted on one of the family
MODEL_POWER = 0.5  # how far an error of the predicted energy goes with its power

# Rows against the rest of their file -------------------------------------------------------------
SCATTER = 0.02  # no smaller than this, of rows about the file's own level
SHORT_S = 0.3  # fixed costs that no prediction knows: short rows scatter by it
OUTLYING = 4.0  # standard deviations
AT_LEAST = 0.10  # relative: less is never called a wrong label
LEVELLED = 4  # settings of a model from which a file has a level of its own
ODDS = 2.5  # natural logarithm: a cause must be 12 times as likely as the labels
WILD = 0.10  # scatter of settings about their level that asks for a cause

# Shapes -----------------------------------------------------------------------------------------
SAME_DIGITS = 4  # of two numbers that are equal by copying
NEAR_COPY = 1e-4
UNLIKE_WORK = 0.02  # predicted: two settings whose times must differ
ROUNDED_DIGITS = 2
ROUNDED_SHARE = 0.8
STEPS_LINEAR = 0.06
DRIFT = 0.02
DRIFT_SIGMAS = 5.0
REPEATS = 8
STATE_ROWS = 3
STATE_POWER = 0.018  # of the reference state
STATE_PENALTY = 12.0  # squared deviations that one more change of state must save
SATURATED = 0.03  # rows whose predicted power is within this of the file's highest
SLOWED = 0.12
WEAKER = 0.10
CLOCK = 0.04  # less power by this beside more time is the GPU's doing, not a label's
COLD = 0.10

# Sums -------------------------------------------------------------------------------------------
STAGES_OVER = 0.01
STAGES_UNDER = 0.05
ENERGY_OVER = 0.05  # a short stage metered alone keeps the GPU busier than inside a video
ONE_STAGE = 2e-3
SUM_AGREES = 0.01
OVERLAP = 0.9
SESSION = 3  # as many rows in order among themselves are another session, not a stray
