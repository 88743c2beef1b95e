// SPDX-License-Identifier: Apache-2.0
#include "worker/responder.h"

#include "decide/decide.h"

namespace narthex {
namespace {

std::string_view AsText(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Seq End(const Packet& packet) { return packet.sequence + packet.SequenceBytes(); }

// Controls where a header section has none: no piece of a request, whatever came before it.
bool LooksBinary(std::string_view bytes) {
  for (char c : bytes.substr(0, 16)) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte == 0x7f || (byte < 0x20 && c != '\t' && c != '\r' && c != '\n')) return true;
  }
  return false;
}

nx_worker_counter CounterOf(Answer answer) {
  if (IsNetworkAuthenticationRequired(answer)) return NX_WORKER_NETWORK_AUTHENTICATION_REQUIRED;
  const bool redirect = answer == Answer::kRedirect || answer == Answer::kRedirectHead;
  return redirect ? NX_WORKER_REDIRECT : NX_WORKER_ERROR_RESPONSE;
}

}  // namespace

uint32_t Responder::Handle(uint8_t* frame, uint32_t bytes, uint32_t room, Instant now) {
  Packet packet;
  const std::span<const uint8_t> received(frame, bytes);
  if (ParsePacket(received, packet) != ParseResult::kOk || packet.payload_bytes == 0 ||
      room < kMaxReplyBytes) {
    counters_.Add(NX_WORKER_MALFORMED_PACKET);
    return 0;
  }
  if (!VerifyChecksums(received, packet)) {
    counters_.Add(NX_WORKER_BAD_CHECKSUM);
    return 0;
  }
  packet.flow.zone = zone_;
  switch (nx_cookie_check(&keys_, &packet.flow, now.slot, packet.acknowledgement.Value(),
                          &mss_class_)) {
    case NX_COOKIE_START:
      return HandleRequest(frame, packet, now);
    case NX_COOKIE_LATER:
      // Data after the response: a RST could destroy the response before the client has read it
      // (RFC 9112 §9.6), so it is acknowledged and forgotten.
      return Acknowledge(frame, packet, End(packet));
    case NX_COOKIE_INVALID:
      break;
  }
  counters_.Add(NX_WORKER_BAD_COOKIE);
  return 0;
}

void Responder::Expire(Instant now) {
  const uint32_t expired = reassembly_.Expire(now.ns);
  if (expired) counters_.Add(NX_WORKER_REASSEMBLY_EXPIRED, expired);
}

uint32_t Responder::HandleRequest(uint8_t* frame, const Packet& packet, Instant now) {
  const std::string_view payload(reinterpret_cast<const char*>(frame) + packet.payload_offset,
                                 packet.payload_bytes);
  const HttpResult result = ParseHttpRequest(payload, request_);
  if (result.status != HttpStatus::kComplete) return HandlePiece(frame, packet, result, now);

  const Decision decision = Decide(request_, responses_->GetOffer(), rules_);
  // The segments of a body follow, perhaps before the client sees the response.
  if (request_.has_body) return Remember(frame, packet, decision, now);
  return Reply(frame, packet, decision, End(packet));
}

// A segment that is no whole request: a piece of one, part of a body, or an error.
uint32_t Responder::HandlePiece(uint8_t* frame, const Packet& packet, const HttpResult& alone,
                                Instant now) {
  const std::span<const uint8_t> payload(frame + packet.payload_offset, packet.payload_bytes);
  Reassembly::Entry* entry = reassembly_.Find(packet.flow, packet.acknowledgement, packet.sequence);
  if (entry && entry->Answered()) {
    // Each segment that follows draws the response again, with the acknowledgement: so nothing
    // after the request is ever acknowledged to a client without the response beside it.
    entry->AdvanceAnsweredEnd(End(packet));
    return Reply(frame, packet, entry->GetDecision(), entry->AnsweredEnd());
  }
  if (!entry) {
    if (alone.status == HttpStatus::kError &&
        (JudgeBeginning(AsText(payload)) != Beginning::kUnlikely || LooksBinary(AsText(payload)))) {
      return Remember(frame, packet, DecideError(alone.error, alone.head), now);
    }
    entry = CreateEntry(packet, now);
  }
  if (!entry->Add(packet.sequence, payload, packet.Fin())) return 0;
  counters_.Add(NX_WORKER_INCOMPLETE_REQUEST);
  return JudgeRun(frame, packet, entry, now);
}

// What the pieces say so far.
uint32_t Responder::JudgeRun(uint8_t* frame, const Packet& packet, Reassembly::Entry* entry,
                             Instant now) {
  const HttpResult result = ParseHttpRequest(entry->Run(), request_);
  const Beginning beginning = JudgeBeginning(entry->Run());
  switch (result.status) {
    case HttpStatus::kComplete:
      counters_.Add(NX_WORKER_REASSEMBLED);
      return AnswerEntry(frame, packet, entry, Decide(request_, responses_->GetOffer(), rules_),
                         now);
    case HttpStatus::kError:
      if (beginning == Beginning::kUnlikely && !entry->SeenOften()) return 0;
      return AnswerEntry(frame, packet, entry, DecideError(result.error, result.head), now);
    case HttpStatus::kIncomplete:
      break;
  }
  if (entry->Full()) {
    return AnswerEntry(frame, packet, entry, DecideTooLarge(result.head), now);
  }
  if (beginning != Beginning::kCertain && !entry->SeenOften()) return 0;
  if (entry->FinReached()) {  // it will never be complete
    return AnswerEntry(frame, packet, entry, DecideError(HttpError::kBadRequest, result.head), now);
  }
  return Acknowledge(frame, packet, entry->RunEnd());
}

uint32_t Responder::AnswerEntry(uint8_t* frame, const Packet& packet, Reassembly::Entry* entry,
                                Decision decision, Instant now) {
  const Seq end = entry->RunEnd();
  reassembly_.MarkAnswered(entry, decision, end, now.ns);
  return Reply(frame, packet, decision, end);
}

// Answers a segment and keeps the answer for those that follow it.
uint32_t Responder::Remember(uint8_t* frame, const Packet& packet, Decision decision, Instant now) {
  Reassembly::Entry* entry = reassembly_.Find(packet.flow, packet.acknowledgement, packet.sequence);
  if (!entry) entry = CreateEntry(packet, now);
  Seq end = End(packet);
  if (entry->Answered() && entry->AnsweredEnd() > end) end = entry->AnsweredEnd();
  reassembly_.MarkAnswered(entry, decision, end, now.ns);
  return Reply(frame, packet, decision, end);
}

uint32_t Responder::Reply(uint8_t* frame, const Packet& packet, Decision decision,
                          Seq acknowledge) {
  if (decision.answer == Answer::kReset) {
    counters_.Add(NX_WORKER_RST);
    return WriteReset(frame, packet);
  }
  if (decision.answer == Answer::kSilent) {
    counters_.Add(NX_WORKER_SILENT);
    return 0;
  }
  // It may have been remembered from a policy with more languages, pages or redirects.
  if (decision.language >= responses_->GetOffer().languages.size()) decision.language = 0;
  if (!responses_->Holds(decision)) decision.variant = 0;
  const Response& response =
      mss_class_ == NX_MSS_FULL ? responses_->Full(decision) : responses_->Compact(decision);
  // The window has no scale: the SYN-ACK offered none.
  if (packet.window_bytes < response.size) {
    counters_.Add(NX_WORKER_WINDOW_TOO_SMALL);
    return 0;
  }
  counters_.Add(CounterOf(decision.answer));
  return WriteResponse(frame, packet, acknowledge, response, date_);
}

uint32_t Responder::Acknowledge(uint8_t* frame, const Packet& packet, Seq acknowledge) {
  counters_.Add(NX_WORKER_ACK);
  return WriteAck(frame, packet, acknowledge);
}

Reassembly::Entry* Responder::CreateEntry(const Packet& packet, Instant now) {
  bool evicted;
  Reassembly::Entry* entry =
      reassembly_.Create(packet.flow, packet.acknowledgement, packet.sequence, now.ns, evicted);
  if (evicted) counters_.Add(NX_WORKER_REASSEMBLY_EVICTED);
  return entry;
}

}  // namespace narthex
