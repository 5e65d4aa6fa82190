"""How an attempt at a provider can fail, as one tree. Failover reads these attributes, never a status code or a message.

============================  ================  =============================================================
class                         scope             what it means
============================  ================  =============================================================
BadRequestError               request           the request is wrong everywhere: fail, try nobody else
ContentRefusedError           request × model   this model will not answer this: another may
UnsupportedRequestError       request × model   it asks for what cannot be said to this provider: nothing is sent, another may do
RequestTooLargeError          request × model   it can never fit here: route by size, the key is fine
CutShortError                 us                our own bound was too low for the answer: the same again, with a higher one
WindowSpentError              quota group       a limit of the account is used up until `retry_at`
BillingError                  quota group       the account has no credit: a person must act
ModelNotAllowedError          quota group       this account may never use this model
AuthenticationFailedError     key               the key is refused: quarantine and tell a person
SecretMissingError            key               we cannot read the key's secret now: another key may do
ModelGoneError                model             the model does not exist (any more)
ModelOverloadedError          model             no capacity for this model just now
ProviderOverloadedError       provider          no capacity at all just now
ProviderFailedError           provider          5xx, time-out, broken connection
BadAnswerError                provider          it answered, but not in a form that can be understood
AbandonedError                us                we broke the call off: its job was cancelled, or the worker left
KeyReplacedError              us                the key was rotated or revoked under the call: the same again
============================  ================  =============================================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime

    from pool_worker.observed import Observed


class Scope(StrEnum):
    """Whom a failure is about, and so who is avoided because of it."""

    REQUEST = "request"
    REQUEST_ON_MODEL = "request_on_model"
    KEY = "key"
    QUOTA_GROUP = "quota_group"
    MODEL = "model"
    PROVIDER = "provider"
    US = "us"
    """The pool itself: nobody is avoided."""


class AttemptError(Exception):
    """An attempt at a provider failed."""

    scope: ClassVar[Scope]
    default_hold_s: ClassVar[float] = 0.0
    """For how long whoever is to blame is left alone when the provider named no time."""
    harms_health: ClassVar[bool] = False
    """Whether it is evidence that the key or provider is ill (a spent quota is not)."""
    needs_person: ClassVar[bool] = False
    """Whether only a person can mend it, so that an alert is due."""
    is_failover: ClassVar[bool] = True
    """Whether a call was made in vain, and the job goes on elsewhere because of whom it called.

    A job makes a bounded number of these, and many on one model are told of. Not among them: a spent quota, which is waited for,
    hundreds of times if need be; what was never sent; what we ended ourselves; a wrong request, which ends its job.
    """

    def __init__(
        self,
        reason: str = "",
        *,
        status_code: int | None = None,
        retry_at: datetime | None = None,
        charged: bool = False,
        observed: tuple[Observed, ...] = (),
    ) -> None:
        self.reason = reason or (self.__doc__ or "").strip()
        self.status_code = status_code
        self.retry_at = retry_at
        """When the one to blame may be tried again, in the provider's own words; None if it named no time."""
        self.charged = charged
        """Whether money or quota was (or may have been) spent all the same."""
        self.text_bytes = 0
        """How much of a streamed answer had arrived."""
        self.observed = observed
        """Windows that the refusal told about."""
        super().__init__(self.reason)


class BadRequestError(AttemptError):
    """The provider refuses the request itself."""

    scope = Scope.REQUEST
    is_failover = False


class ContentRefusedError(AttemptError):
    """The model's content filter refuses the request."""

    scope = Scope.REQUEST_ON_MODEL


class UnsupportedRequestError(AttemptError):
    """The request asks for what cannot be said in the provider's format."""

    scope = Scope.REQUEST_ON_MODEL
    is_failover = False


class RequestTooLargeError(AttemptError):
    """The request can never fit this model."""

    scope = Scope.REQUEST_ON_MODEL


class CutShortError(AttemptError):
    """The answer did not fit the bound that the pool had set, which was lower than the job's."""

    scope = Scope.US
    is_failover = False


class WindowSpentError(AttemptError):
    """A limit of the account is used up."""

    scope = Scope.QUOTA_GROUP
    is_failover = False
    default_hold_s = 60.0


class BillingError(AttemptError):
    """The account has no credit left."""

    scope = Scope.QUOTA_GROUP
    default_hold_s = 3600.0
    needs_person = True


class ModelNotAllowedError(AttemptError):
    """The account may not use this model."""

    scope = Scope.QUOTA_GROUP
    default_hold_s = 24 * 3600.0
    needs_person = True


class AuthenticationFailedError(AttemptError):
    """The provider does not accept the key."""

    scope = Scope.KEY
    default_hold_s = 3600.0
    harms_health = True
    needs_person = True


class SecretMissingError(AttemptError):
    """The key's secret cannot be read from the vault."""

    scope = Scope.KEY
    is_failover = False


class ModelGoneError(AttemptError):
    """The model does not exist."""

    scope = Scope.MODEL
    default_hold_s = 24 * 3600.0
    needs_person = True


class ModelOverloadedError(AttemptError):
    """The provider has no capacity for this model at the moment."""

    scope = Scope.MODEL
    default_hold_s = 5.0


class ProviderOverloadedError(AttemptError):
    """The provider has no capacity at the moment."""

    scope = Scope.PROVIDER
    default_hold_s = 5.0
    harms_health = True


class ProviderFailedError(AttemptError):
    """The provider failed or could not be reached."""

    scope = Scope.PROVIDER
    default_hold_s = 2.0
    harms_health = True


class BadAnswerError(AttemptError):
    """The provider's answer cannot be understood."""

    scope = Scope.PROVIDER
    default_hold_s = 2.0
    harms_health = True


class AbandonedError(AttemptError):
    """The call was broken off from our side: its job was cancelled, or the worker left."""

    scope = Scope.US
    is_failover = False


class KeyReplacedError(AttemptError):
    """The key was refused with a secret that it has no longer."""

    scope = Scope.US
    is_failover = False


KINDS: tuple[type[AttemptError], ...] = tuple(AttemptError.__subclasses__())
FAILOVERS = frozenset(kind.__name__ for kind in KINDS if kind.is_failover)
"""Outcomes of attempts that are failovers."""
