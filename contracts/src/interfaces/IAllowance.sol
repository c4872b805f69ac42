// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISettlement} from "./ISettlement.sol";

/// @title IAllowance
/// @notice Requests that the commons pay for. This contract is an ordinary payer of Settlement: it holds a deposit there,
/// and for every gateway with a budget a session key that signs vouchers up to a cap. Governance sets a budget per
/// period; anybody may call `refill`, which moves coins into the deposit and raises the cap by as much.
///
/// * In one period a gateway's cap rises by at most its budget, so over n whole periods it spends at most n + 1 budgets.
/// * What it has left to spend is never above one budget: nothing accumulates.
/// * The deposit covers what all gateways together may still spend; only what is above that goes back to the treasury.
/// * The budget is a vote's. No receipt, fee or registration raises it.
///
/// docs/spec/governance.md says how a gateway serves from it.
interface IAllowance {
    /// @notice A gateway's budget.
    /// @param sessionKey Signs this contract's vouchers to the gateway.
    /// @param perPeriod Wei that the cap may rise by in a period, and bound of what is left to spend; 0: revoked.
    /// @param granted Wei that the cap has risen by since `since`.
    /// @param period Seconds.
    /// @param since Start of the period that `granted` counts.
    struct Budget {
        address sessionKey;
        uint128 perPeriod;
        uint128 granted;
        uint64 period;
        uint64 since;
    }

    /// @notice The fund grew.
    event Funded(address indexed from, uint256 amount);
    /// @notice `gateway` may spend up to `perPeriod` wei every `period` seconds.
    event BudgetSet(address indexed gateway, address indexed sessionKey, uint128 perPeriod, uint64 period);
    /// @notice `sessionKey` signs for `gateway`, and `previous` only until Settlement's notice is over.
    event SessionKeySet(address indexed gateway, address indexed sessionKey, address indexed previous);
    /// @notice A gateway's cap rose by `amount` to `cap`.
    event Refilled(address indexed gateway, uint128 amount, uint128 cap);
    /// @notice A gateway's budget ended; its session key signs only until Settlement's notice is over.
    event Revoked(address indexed gateway);
    /// @notice A gateway whose budget and notice are over left the list.
    event Forgotten(address indexed gateway);
    /// @notice `amount` of the deposit backs no cap and may be collected from `availableAt` (seconds) on.
    event Reclaimed(uint128 amount, uint64 availableAt);
    /// @notice `amount` went back to the treasury.
    event Returned(uint256 amount);

    /// @notice Only governance, through the timelock, may do this.
    error NotGovernance(address account);
    /// @notice A budget needs a gateway, a session key, an amount and a period of 1 to 2^40 seconds.
    error InvalidBudget();
    /// @notice The gateway has no budget.
    error NoBudget(address gateway);
    /// @notice Only so many gateways have budgets at a time.
    error TooManyGateways(uint256 most);
    /// @notice There is nothing to do.
    error NothingToDo();
    /// @notice The gateway may still spend `amount`.
    error StillSpending(address gateway, uint256 amount);
    /// @notice `amount` wait to be collected from `availableAt` on.
    error ReclaimRunning(uint128 amount, uint64 availableAt);
    /// @notice The treasury refused `amount` wei.
    error TransferRefused(uint256 amount);

    // ---------------------------------------------------------------- governance

    /// @notice Gives a gateway a budget, or changes it: a period starts now. Of what was granted nothing is taken back.
    function setBudget(address gateway, address sessionKey, uint128 perPeriod, uint64 period) external;

    /// @notice Ends a gateway's budget. Its session key can sign until Settlement's notice is over, because the gateway
    /// may have served against it.
    function revoke(address gateway) external;

    /// @notice Returns `amount` of the fund, as far as it is not yet in the deposit, to the treasury.
    function defund(uint256 amount) external;

    // ---------------------------------------------------------------- gateways

    /// @notice Changes the caller's session key. The old one signs until Settlement's notice is over, for no more.
    function setSessionKey(address sessionKey) external;

    // ---------------------------------------------------------------- anybody

    /// @notice Raises a gateway's cap by what `refillable` says, and the deposit with it.
    function refill(address gateway) external returns (uint128 amount);

    /// @notice Takes a gateway off the list whose budget was revoked and whose notice is over.
    function forget(address gateway) external;

    /// @notice Announces to Settlement the withdrawal of whatever backs no cap (after revocations, refunds and gifts).
    function reclaim() external returns (uint128 amount);

    /// @notice After the notice: carries what was reclaimed back to the treasury.
    function collect() external returns (uint256 amount);

    // ---------------------------------------------------------------- views

    /// @notice A gateway's budget; zeros: it never had one, or was forgotten.
    function budgetOf(address gateway) external view returns (Budget memory);

    /// @notice The gateways that may spend or have not been forgotten.
    function gateways() external view returns (address[] memory);

    /// @notice Wei that `refill` would raise a gateway's cap by now.
    function refillable(address gateway) external view returns (uint128);

    /// @notice Wei that a gateway may still spend.
    function outstandingOf(address gateway) external view returns (uint128);

    /// @notice Wei that all gateways together may still spend.
    function outstanding() external view returns (uint256);

    /// @notice Most gateways at a time.
    // solhint-disable-next-line func-name-mixedcase
    function MAX_GATEWAYS() external view returns (uint256);

    /// @notice Where this contract is a payer.
    function settlement() external view returns (ISettlement);

    /// @notice The timelock, which is the treasury too.
    function governance() external view returns (address);
}
